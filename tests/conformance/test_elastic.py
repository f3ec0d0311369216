"""Our documents against those of Elastic's own integration, pair by pair, deviation by named deviation."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vpcflow.codec import CodecOptions, Decoder
from vpcflow.codec.origins import file_origin

pytestmark = pytest.mark.conformance
SETS = (
    "ecs-samples",
    "extra-samples",
    "tcp-flag-sequence",
    "tgw-samples",
    "v5-all-fields",
    "v8-samples",
    "with-message-field",
)
DEVIATIONS = ("tags", "data_stream added", "dash dropped", "no empty object", "old shape")

Json = dict[str, Any]


def without_geo(document: Json) -> Json:
    for end in ("source", "destination"):
        for name in ("geo", "as"):
            document.get(end, {}).pop(name, None)
    return document


def tags(expected: Json, ours: Json) -> bool:
    differ = expected["tags"] == ["preserve_original_event"] and ours["tags"] == ["forwarded", "aws-vpcflow"]
    del expected["tags"], ours["tags"]
    return differ


def data_stream(expected: Json, ours: Json) -> bool:
    added = ours.pop("data_stream")
    return "data_stream" not in expected and added == {"type": "logs", "dataset": "aws.vpcflow", "namespace": "default"}


def dash(expected: Json, ours: Json) -> bool:
    found = False
    for name in ("region", "availability_zone"):
        if expected["cloud"].get(name) == "-" and name not in ours["cloud"]:
            del expected["cloud"][name]
            found = True
    return found


def empty_object(expected: Json, ours: Json) -> bool:
    if expected["aws"]["vpcflow"].get("sublocation") == {} and "sublocation" not in ours["aws"]["vpcflow"]:
        del expected["aws"]["vpcflow"]["sublocation"]
        return True
    return False


def old_shape(expected: Json, ours: Json) -> bool:
    """ecs.version 8.0.0: category and type were scalars, without allowed or denied, and event.action was missing."""
    if expected["ecs"]["version"] != "8.0.0":
        return False
    event = expected["event"]
    assert (event["category"], event["type"]) == ("network", "connection")
    assert "action" not in event
    action = expected["aws"]["vpcflow"].get("action")
    event["category"], event["type"] = ["network"], ["connection"]
    if action is not None:
        event["action"] = action
        event["type"].append({"ACCEPT": "allowed", "REJECT": "denied"}[action])
    expected["ecs"]["version"] = "8.11.0"
    return True


RULES = dict(zip(DEVIATIONS, (tags, data_stream, dash, empty_object, old_shape), strict=True))


def compared(folder: Path, name: str, seen: Counter[str]) -> int:
    path = folder / f"test-{name}.log"
    expected = json.loads(Path(f"{path}-expected.json").read_text(encoding="utf-8"))["expected"]
    decoder = Decoder(CodecOptions(event_original=True))
    chunks = list(decoder.decode(path.read_bytes(), file_origin(str(path))))
    assert [one for chunk in chunks for one in chunk.undecodable] == []
    ours = [json.loads(line) for chunk in chunks for line in chunk.body.splitlines()[1::2]]
    assert len(ours) == len(expected)
    for theirs, mine in zip(expected, ours, strict=True):
        for rule, applies in RULES.items():
            seen[rule] += applies(theirs, mine)
        assert mine == without_geo(theirs)
    return len(ours)


def test_every_pair_is_equal_but_for_the_named_deviations(conformance: Path) -> None:
    seen: Counter[str] = Counter()
    pairs = sum(compared(conformance / "elastic-integrations", name, seen) for name in SETS)
    assert pairs == 33
    # A deviation that no longer occurs is one to take out of docs/mapping.md.
    assert all(seen[rule] for rule in DEVIATIONS), seen
