from __future__ import annotations

from typing import Any

import pytest

from vpcflow.account.flow_logs import rules

V5 = "${version} ${vpc-id} ${srcaddr} ${dstaddr} ${bytes} ${start} ${end} ${action}"


def flow_log(number: int, **values: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"FlowLogId": f"fl-{number}", "LogDestinationType": "cloud-watch-logs", **values}


def test_a_log_group_has_its_format() -> None:
    (found,) = rules([flow_log(1, LogGroupName="prod", LogFormat=V5), flow_log(2, LogGroupName="prod", LogFormat=V5)])
    assert found.rule == {"log_group": "prod", "format": V5}
    assert found.flow_logs == ("fl-1", "fl-2")


def test_the_default_format_has_no_words_of_its_own() -> None:
    (found,) = rules([flow_log(1, LogGroupName="prod")])
    assert found.rule == {"log_group": "prod", "format": "v2"}


def test_signs_of_patterns_in_a_name_stand_for_themselves() -> None:
    (found,) = rules([flow_log(1, LogGroupName="a[b]*?")])
    assert found.rule["log_group"] == "a[[]b][*][?]"


def test_a_delivery_stream_is_a_source() -> None:
    arn = "arn:aws:firehose:eu-west-1:123456789012:deliverystream/flows"
    (found,) = rules([flow_log(1, LogDestinationType="kinesis-data-firehose", LogDestination=arn, LogFormat=V5)])
    assert found.rule == {"source": "firehose:flows", "format": V5}


def test_objects_in_s3_name_their_columns() -> None:
    (found,) = rules(
        [flow_log(1, LogDestinationType="s3", LogDestination="arn:aws-cn:s3:::bucket/prefix", LogFormat=V5)]
    )
    assert not found.rule
    assert found.note == "s3://bucket/prefix: each object names its columns itself"


def test_the_arn_of_a_log_group_will_do() -> None:
    arn = "arn:aws:logs:eu-west-1:123456789012:log-group:prod:*"
    (found,) = rules([flow_log(1, LogDestination=arn, LogFormat=V5)])
    assert found.rule["log_group"] == "prod"


@pytest.mark.parametrize("form", ["${version} ${nobody-knows}", "${version} ${version}"])
def test_a_format_that_cannot_be_read_is_said(form: str) -> None:
    (found,) = rules([flow_log(1, LogGroupName="prod", LogFormat=form)])
    assert not found.rule
    assert found.note.startswith("log group prod: ")


def test_two_formats_in_one_place_are_said_and_not_chosen() -> None:
    (found,) = rules([flow_log(1, LogGroupName="prod", LogFormat=V5), flow_log(2, LogGroupName="prod")])
    assert not found.rule
    assert found.flow_logs == ("fl-1", "fl-2")
    assert "2 formats in one place" in found.note
