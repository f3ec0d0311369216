"""One letter: its identity, and its earlier forms."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vpcflow.deadletters.entry import DeadLetter
from vpcflow.types import Origin

LETTER = DeadLetter(
    reason="columns",
    message="why",
    raw=b"raw",
    source="kinesis:flows",
    identity={"sequence": "17"},
    position=3,
    first_seen_ms=1,
    origin=Origin(identity=b"key", name="kinesis:flows"),
    context={"owner": "1", "log_group": "g", "log_stream": "s", "event_id": "e"},
)
FIRST_FORMAT = (
    b'{"format_version":1,"reason":"columns","error_type":"","message":"m","source":"kinesis:s","identity":{"sequence":"1"},'
    b'"position":3,"first_seen_ms":5,"attempts":1,"raw":"2 1 eni"}\n'
)


def test_the_same_thing_has_the_same_id_however_and_whenever_it_failed() -> None:
    later = replace(
        LETTER, first_seen_ms=2, attempts=9, reason="rejected", message="other", error_type="x", document_id="d"
    )
    assert later.id == LETTER.id
    assert len(LETTER.id) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"raw": b"raw2"},
        {"position": 4},
        {"source": "kinesis:other"},
        {"identity": {"sequence": "18"}},
        {"context": {**LETTER.context, "event_id": "f"}},
        {"origin": Origin(identity=b"other", name="kinesis:flows")},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_thing_has_another_id(change: dict[str, object]) -> None:
    assert replace(LETTER, **change).id != LETTER.id  # type: ignore[arg-type]


def test_the_same_text_at_the_same_place_of_another_delivery_is_another_thing() -> None:
    """Firehose names no record: what tells two apart is when they came. Tried again, a delivery comes as it was."""
    letters = [replace(LETTER, origin=Origin(name="firehose:flows", arrival_ms=at)) for at in (1, 2, 1)]
    assert letters[0].id != letters[1].id
    assert letters[0].id == letters[2].id


def test_the_first_format_is_read_and_stays_the_first() -> None:
    letter = DeadLetter.from_json(FIRST_FORMAT)
    assert (letter.raw, letter.position, letter.origin, letter.format_version) == (b"2 1 eni", 3, None, 1)
    assert letter.to_json() == FIRST_FORMAT


def test_the_second_format() -> None:
    assert LETTER.format_version == 2
    assert DeadLetter.from_json(LETTER.to_json()) == LETTER


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b'{"format_version":3}',
        b'{"raw":"x"}',
        FIRST_FORMAT.replace(b'"position":3', b'"position":"3"'),
        FIRST_FORMAT.replace(b'"raw":"2 1 eni"', b'"raw":7'),
        FIRST_FORMAT.replace(b'"raw":"2 1 eni"', b'"raw_base64":"*"'),
        FIRST_FORMAT.replace(b'"attempts"', b'"tries"'),
        FIRST_FORMAT.replace(b'"raw"', b'"origin":{},"raw"'),
    ],
)
def test_what_is_none_of_ours(line: bytes) -> None:
    with pytest.raises(ValueError):
        DeadLetter.from_json(line)
