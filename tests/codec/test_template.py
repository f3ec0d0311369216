from __future__ import annotations

from typing import Any

import pytest

from vpcflow.codec import CodecOptions
from vpcflow.codec.fields import FIELDS
from vpcflow.codec.template import index_template


def kind(body: dict[str, Any], path: str) -> object:
    node = body["template"]["mappings"]
    for name in path.split("."):
        node = node["properties"][name]
    return node["type"]


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.name)
def test_every_place_of_every_field_has_a_type(field: Any) -> None:  # noqa: ANN401
    _, body = index_template("elasticsearch", CodecOptions())
    for place in field.places:
        assert kind(body, place.path) in {"keyword", "ip", "long", "integer", "date"}


def test_the_templates_of_both_modes_can_live_side_by_side() -> None:
    stream_name, stream = index_template("elasticsearch", CodecOptions())
    pattern_name, pattern = index_template("elasticsearch", CodecOptions(index_mode="pattern"))
    assert stream["index_patterns"] == ["logs-aws.vpcflow-default"]
    assert pattern["index_patterns"] == ["logs-aws.vpcflow-*"]
    assert stream_name != pattern_name
    assert stream["priority"] != pattern["priority"]
    assert "data_stream" in stream
    assert "data_stream" not in pattern


def test_opensearch_gets_nothing_that_only_elasticsearch_knows() -> None:
    _, body = index_template("opensearch", CodecOptions())
    assert body["template"]["settings"] == {"index": {"codec": "best_compression", "refresh_interval": "5s"}}
