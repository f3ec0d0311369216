from __future__ import annotations

from dataclasses import replace

import pytest

from vpcflow.codec.fields import FIELDS as CODECS_OWN
from vpcflow.codec.fields import PRESETS
from vpcflow.errors import ConfigError
from vpcflow.generate import FIELD_NAMES, FORMATS, Generator, GeneratorOptions, columns
from vpcflow.generate.fields import FIELDS, version_of

OPTIONS = GeneratorOptions(events=400, columns=FORMATS["v2"], broken=0.0, nodata=0.0)


def test_both_lists_of_fields_say_the_same() -> None:
    assert {name: one.version for name, one in FIELDS.items()} == {one.name: one.version for one in CODECS_OWN}
    assert all(PRESETS[name] == names for name, names in FORMATS.items())


@pytest.mark.parametrize("name", sorted(FIELD_NAMES))
def test_a_column_holds_something_or_a_dash_and_never_a_blank(name: str) -> None:
    for line in Generator(replace(OPTIONS, columns=(name,))).lines():
        assert line
        assert not any(one.isspace() for one in line)


@pytest.mark.parametrize(
    "name", [name for name in sorted(FIELD_NAMES) if not name.endswith("-2") and name != "ecs-second-container-id"]
)
def test_every_field_is_used_by_some_flow(name: str) -> None:
    assert set(Generator(replace(OPTIONS, columns=(name,))).lines()) != {"-"}


@pytest.mark.parametrize(
    ("names", "version"),
    [
        (("srcaddr",), 2), (("vpc-id",), 3), (("az-id",), 4), (("traffic-path",), 5), (("tgw-dst-eni",), 6),
        (("ecs-task-arn", "az-id"), 7), (("reject-reason",), 8), (("resource-id",), 9), (("encryption-status",), 10),
        (("next-hop-interface-type", "srcaddr"), 11),
    ],
)  # fmt: skip
def test_the_version_is_that_of_the_newest_column(names: tuple[str, ...], version: int) -> None:
    assert version_of(names) == version


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${version} ${srcadr}", "unknown field 'srcadr'"),
        ("version,version", "'version' comes twice"),
        ("${version} account-id", "'account-id' stands outside"),
        ("", "unknown field ''"),
        ("v3", "presets are v2, v5, tgw"),
    ],
)
def test_a_format_that_cannot_be_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        columns(text)


def test_a_format_may_be_written_in_three_ways() -> None:
    assert columns(" v2 ") == FORMATS["v2"]
    assert columns("${srcaddr}\n${end}") == columns("srcaddr, end") == columns("srcaddr end") == ("srcaddr", "end")
