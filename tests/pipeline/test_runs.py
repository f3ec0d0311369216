"""Lines of an object that nobody takes: kept so that each can be had again, under the `_id` that it has in the object."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import orjson
import pytest

from vpcflow.clock import FakeClock
from vpcflow.codec import CodecOptions, Decoder, FormatRule
from vpcflow.codec.origins import s3_origin
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline, Record
from vpcflow.replay.trial import Trial, decoded
from vpcflow.types import Answer, Bulk, LinesAt, Outcome

FLOW = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
HEADER = "version srcaddr srcport"
ORIGIN = s3_origin(bucket="logs", key="a/b.log.gz", etag="9b2cf535f27731c974343645a3985328", time_ms=1_418_530_000_000)
EVENT = {"id": "36", "timestamp": 1_418_530_010_000, "message": FLOW}
PAYLOAD = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "logEvents": [EVENT]}
LINES = [
    b"2 10.0.0.9 443",
    HEADER.encode(),
    b"2 10.0.0.1 443\r",
    b"",
    b"2 10.0.0.1 443",
    b"2 10.0.0.1 \xff",
    b"2 10.0.0.1 port",
    orjson.dumps({"message": "2 10.0.0.1 443\n2 10.0.0.1 port\n2 10.0.0.1 443\n{}"}),
    orjson.dumps(PAYLOAD),
    b"version srcaddr srcaddr end",
    b"2 10.0.0.1 443",
]


class Refuses:
    """The delivery: the engine takes nothing."""

    def __init__(self) -> None:
        self.items: list[bytes] = []

    def deliver(self, bulk: Bulk) -> Answer:
        self.items += bulk.items()
        return Answer(outcomes=[Outcome.REJECTED] * bulk.count)

    def close(self) -> None:
        pass


def runs(cuts: Sequence[int]) -> list[tuple[bytes, LinesAt]]:
    ends = [0, *cuts, len(LINES)]
    offsets = [0, *itertools.accumulate(len(line) + 1 for line in LINES)]
    headers = {1: HEADER, 9: LINES[9].decode()}
    return [
        (
            b"".join(line + b"\n" for line in LINES[first:last]),
            LinesAt(
                position=first,
                offset=offsets[first],
                header=next((headers[at] for at in (9, 1) if at < first), ""),
            ),
        )
        for first, last in itertools.pairwise(ends)
    ]


def read(cuts: Sequence[int], *, first: int = 0) -> tuple[list[DeadLetter], list[bytes]]:
    """Read the object in these runs, as the so-manieth of a caller; return the letters and what was delivered."""
    letters, delivery = MemoryDeadLetters(), Refuses()
    pipeline = Pipeline(
        decoder=Decoder(CodecOptions()),
        delivery=delivery,
        deadletters=letters,
        bounds=BatchBounds(storm_fraction=1.0),
        clock=FakeClock(),
    )
    for number, (data, at) in enumerate(runs(cuts), start=first):
        pipeline.submit(Record(data=data, origin=ORIGIN, position=(number, 0), at=at))
    pipeline.flush()
    pipeline.close()
    assert pipeline.open == []
    return letters.entries, delivery.items


def written(letter: DeadLetter) -> DeadLetter:
    again = DeadLetter.from_json(letter.to_json())
    assert (again, again.id) == (letter, letter.id)
    return again


def test_what_was_rejected_is_the_same_document_again() -> None:
    letters, items = read([4, 7])
    rejected = [written(letter) for letter in letters if letter.reason == "rejected"]
    assert len(rejected) == len(items) == 5
    for letter, item in zip(rejected, items, strict=True):
        trial = Trial(place=0, letter=letter)
        [found] = decoded(trial, Decoder(CodecOptions()))
        assert (found.body, found.id, trial.wrong) == (item, letter.document_id, [])
        assert found.rejected(None).id == letter.id


def test_what_was_undecodable_is_the_document_that_it_would_have_been() -> None:
    knowing = Decoder(CodecOptions(formats=(FormatRule(format=HEADER, log_group=""),)))
    due = [
        b"%b\n%b\n" % pair
        for chunk in knowing.decode(b"\n".join(LINES), ORIGIN, at=LinesAt(position=0, offset=0))
        for pair in zip(*[iter(chunk.body.split(b"\n")[:-1])] * 2, strict=True)
    ]
    letters, items = read([3, 8])
    again, wrong = [], []
    for letter in letters:
        trial = Trial(place=0, letter=written(letter))
        if letter.reason != "rejected":
            again += [item.body for item in decoded(trial, knowing)]
            wrong += [(one.reason, one.position, one.id == letter.id) for one in trial.wrong]
    assert sorted([*again, *items]) == sorted(due)
    assert [orjson.loads(one.split(b"\n")[1])["log"]["offset"] for one in again] == [
        0,
        sum(len(line) + 1 for line in LINES[:-1]),
    ]
    assert wrong == [
        ("encoding", 5, True),
        ("value", 6, True),
        ("value", 7, True),
        ("envelope", 7, True),
        ("format", 9, True),
    ]


@pytest.mark.parametrize("cuts", [[1], [2, 3, 4], list(range(1, len(LINES)))])
def test_a_letter_is_the_same_however_the_object_was_cut_and_when(cuts: list[int]) -> None:
    whole, cut = read([]), read(cuts, first=100)
    assert [letter.id for letter in cut[0]] == [letter.id for letter in sorted(whole[0], key=cut[0].index)]
    assert len({letter.id for letter in whole[0]}) == len(whole[0]) == 12
    assert cut[1] == whole[1]


def test_a_letter_of_before_is_read_as_it_was() -> None:
    line = (
        b'{"format_version":2,"reason":"columns","error_type":"","message":"m","source":"kinesis:s","identity":{},'
        b'"position":3,"first_seen_ms":5,"attempts":1,"origin":{"identity_base64":"a2V5","arrival_ms":7,"fields":{}},'
        b'"context":{},"document_id":"","raw":"2 1 eni"}\n'
    )
    letter = DeadLetter.from_json(line)
    assert letter.origin is not None
    assert (letter.origin.arrival_ms, letter.origin.time_ms) == (7, None)
    assert letter.to_json() == line
