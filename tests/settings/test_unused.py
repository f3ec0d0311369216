"""Programs that use the base settings alone say so where there are inputs or outputs."""

from __future__ import annotations

import pytest

from vpcflow.settings.load import load, say_unused

SAID = "inputs and outputs are declared and not used by this program"


@pytest.mark.parametrize(
    ("environ", "declared"),
    [
        ({}, False),
        ({"VPCFLOW_DOCUMENT__NAMESPACE": "x"}, False),
        ({"VPCFLOW_INPUTS__A__MATCH": "*"}, True),
        ({"VPCFLOW_OUTPUTS__A__BULK__MAX_ACTIONS": "1"}, True),
        ({"VPCFLOW_OUTPUTS__DEFAULT__BULK__MAX_ACTIONS": "1"}, True),
        ({"VPCFLOW_INPUTS__DEFAULT__MATCH": "*", "VPCFLOW_INPUTS__DEFAULT__DOCUMENT__TAGS": "a"}, True),
    ],
)
def test_it_is_said_once_where_there_are_some(
    caplog: pytest.LogCaptureFixture,
    environ: dict[str, str],
    declared: bool,  # noqa: FBT001
) -> None:
    say_unused(load(None, environ))
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [("WARNING", SAID)] * declared
