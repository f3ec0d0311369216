from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from firehose_transform.answers import response
from firehose_transform.doors import BusyError, Door, Part, ShutError
from firehose_transform.errands import Errands
from firehose_transform.events import Request, parse_request
from firehose_transform.program import FIREHOSE_SECONDS
from firehose_transform.rules import Rules
from firehose_transform.transform import transform
from tests.firehose_transform.contract import ARN, ARRIVAL, BROKEN, LINE, documents, event, judged, lines, payload
from vpcflow.clock import FakeClock
from vpcflow.codec import Decoder
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.deadline import Deadline
from vpcflow.errors import DeadLetterError
from vpcflow.metrics.meters import Tally


class OpenDoor:
    """Takes all parts but those of some records."""

    def __init__(self, *, refuses: Sequence[int] = ()) -> None:
        self.taken: list[Part] = []
        self._refuses = refuses

    def put(self, parts: Sequence[Part]) -> list[str]:
        self.taken += [part for part in parts if part.number not in self._refuses]
        return ["no" if part.number in self._refuses else "" for part in parts]


class Context:
    """What Lambda gives to a function, as far as it is used."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        return int(self._seconds * 1000)


class FullKeeper(MemoryDeadLetters):
    """Keeps nothing."""

    def put(self, *_: DeadLetter) -> None:
        raise DeadLetterError("s3://letters: no room")


def ran(
    sent: dict[str, Any],
    door: Door,
    keeper: DeadLetters | None = None,
    *,
    seconds: float = 60,
    **rules: Any,  # noqa: ANN401
) -> tuple[list[tuple[str, bytes]], list[str]]:
    """Return what was answered, and the complaints."""
    clock = FakeClock(wall_ms=ARRIVAL)
    request = parse_request(sent)
    plan = transform(request, Decoder(), Rules(**rules))

    def no_keeper() -> DeadLetters:
        raise AssertionError("nothing is to be kept")

    errands = Errands(
        (lambda: keeper) if keeper else no_keeper, lambda *_: door, attempts=2, clock=clock, meters=Tally()
    )
    answers, complaints = errands.run(
        plan, request, Deadline(clock, Context(seconds), 5.0, cap_seconds=FIREHOSE_SECONDS)
    )
    return judged(sent, response(answers, 5_000_000)), [complaint.message for complaint in complaints]


def test_a_split_record_is_dropped_once_all_of_its_parts_are_taken() -> None:
    door = OpenDoor()
    sent = event(payload(*lines(3)), LINE.encode(), payload(*lines(2), tag="b"), kinesis=True)
    found, complaints = ran(sent, door, mode="document")
    assert [result for result, _ in found] == ["Dropped", "Ok", "Dropped"]
    assert complaints == []
    assert [(part.number, part.partition_key) for part in door.taken] == [(0, "key-0")] * 3 + [(2, "key-2")] * 2


def test_a_record_whose_part_was_not_taken_fails_and_no_other() -> None:
    door = OpenDoor(refuses=[0])
    found, complaints = ran(event(payload(*lines(3)), payload(*lines(2), tag="b")), door, mode="document")
    assert [result for result, _ in found] == ["ProcessingFailed", "Dropped"]
    assert len(complaints) == 1


@pytest.mark.parametrize("problem", [ShutError("boto3 is not installed"), BusyError("boto3 has no credentials yet")])
def test_without_a_way_back_all_that_needs_it_fails(problem: Exception) -> None:
    sent = event(payload(*lines(3)), LINE.encode())
    request, clock = parse_request(sent), FakeClock()
    plan = transform(request, Decoder(), Rules(mode="document"))

    def shut(*_: object) -> Door:
        raise problem

    errands = Errands(MemoryDeadLetters, shut, attempts=2, clock=clock, meters=Tally())
    answers, [complaint] = errands.run(plan, request, Deadline(clock, None, 5.0, cap_seconds=FIREHOSE_SECONDS))
    assert [answer.result for answer in answers] == ["ProcessingFailed", "Ok"]
    assert "boto3" in complaint.message


def test_bad_lines_are_kept_with_what_a_replay_needs() -> None:
    keeper = MemoryDeadLetters()
    sent = event(payload(LINE, BROKEN), payload(LINE, tag="b"))
    found, complaints = ran(sent, OpenDoor(), keeper, keep_good=True)
    assert [result for result, _ in found] == ["Ok", "Ok"]
    assert complaints == []
    assert len(documents(found[0][1])) == 1
    [letter] = keeper.entries
    assert (letter.raw, letter.position, letter.source) == (BROKEN.encode(), 1, "firehose:flows")
    assert letter.origin is not None
    assert letter.origin.arrival_ms == ARRIVAL
    assert letter.identity == {"aws.firehose.arn": ARN, "record_id": sent["records"][0]["recordId"]}
    assert letter.context["event_id"]


def test_bad_lines_that_cannot_be_kept_fail_their_record() -> None:
    door = OpenDoor()
    sent = event(payload(LINE, BROKEN), payload(LINE, LINE, BROKEN), LINE.encode())
    found, complaints = ran(sent, door, FullKeeper(), keep_good=True, mode="document")
    assert [result for result, _ in found] == ["ProcessingFailed", "ProcessingFailed", "Ok"]
    assert door.taken == []
    assert complaints == ["s3://letters: no room"] * 2


def test_no_errand_is_begun_too_late() -> None:
    door = OpenDoor()
    keeper = MemoryDeadLetters()
    clock = FakeClock()
    request = parse_request(event(payload(*lines(3)), payload(LINE, BROKEN)))
    plan = transform(request, Decoder(), Rules(mode="document", keep_good=True))
    deadline = Deadline(clock, Context(8), 5.0, cap_seconds=FIREHOSE_SECONDS)
    clock.advance(4)  # half of the time at most is margin
    answers, complaints = Errands(lambda: keeper, lambda *_: door, attempts=2, clock=clock, meters=Tally()).run(
        plan, request, deadline
    )
    assert [answer.result for answer in answers] == ["ProcessingFailed"] * 2
    assert all("no time" in complaint.message for complaint in complaints)
    assert (door.taken, keeper.entries) == ([], [])


@pytest.mark.parametrize("seconds", [3, 8, 60, 300])
def test_a_stream_that_hangs_does_not_outlast_the_function(seconds: float) -> None:
    clock = FakeClock()
    begun = clock.monotonic()

    class HangingDoor:
        def __init__(self, _: Request, patience: float) -> None:
            self._patience = patience

        def put(self, _: Sequence[Part]) -> list[str]:
            clock.advance(self._patience)
            raise BusyError("Read timeout")

    request = parse_request(event(payload(*lines(3)), LINE.encode()))
    plan = transform(request, Decoder(), Rules(mode="document"))
    deadline = Deadline(clock, Context(seconds), 5.0, cap_seconds=FIREHOSE_SECONDS)
    errands = Errands(MemoryDeadLetters, HangingDoor, attempts=100, clock=clock, meters=Tally())
    answers, [complaint] = errands.run(plan, request, deadline)
    assert [answer.result for answer in answers] == ["ProcessingFailed", "Ok"]
    assert "no time" in complaint.message
    assert begun < clock.monotonic() <= begun + seconds - min(5.0, seconds / 2) + 1e-6


@pytest.mark.parametrize(
    ("context", "left"), [(None, 295.0), (Context(60), 55.0), (Context(3), 1.5), (Context(900), 295.0)]
)
def test_deadlines(context: object, left: float) -> None:
    clock = FakeClock()
    deadline = Deadline(clock, context, 5.0, cap_seconds=FIREHOSE_SECONDS)
    assert deadline.left == pytest.approx(left)
    clock.advance(left)
    assert deadline.is_over()
