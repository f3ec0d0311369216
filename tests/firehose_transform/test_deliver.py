from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from firehose_transform.answers import response
from firehose_transform.deliver import Deliverer
from firehose_transform.events import parse_request
from firehose_transform.program import FIREHOSE_SECONDS
from firehose_transform.rules import Rules
from firehose_transform.transform import transform
from tests.firehose_transform.contract import BROKEN, LINE, event, judged, lines, payload
from vpcflow.clock import FakeClock, SystemClock
from vpcflow.codec import Decoder
from vpcflow.deadletters.abstract import DeadLetters
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.deadline import Deadline
from vpcflow.errors import DataError, SinkRefused, SinkUnavailable
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings
from vpcflow.sink.abstract import Sink
from vpcflow.sink.memory import Fault, FaultySink, MemorySink
from vpcflow.types import Answer, Bulk, Outcome

AWAY = Fault(before=SinkUnavailable("away"))


def settings_of(**environ: str) -> Settings:
    given = {"FIREHOSE__MODE": "deliver", "BULK__IN_FLIGHT": "1", **environ}
    return load(None, {f"VPCFLOW_{name}": value for name, value in given.items()}).settings


def delivered(
    sent: dict[str, Any],
    sink: Sink,
    keeper: DeadLetters | None = None,
    *,
    clock: FakeClock | None = None,
    keep_good: bool = False,
    settings: Settings | None = None,
) -> tuple[list[str], list[str]]:
    """Return the results, and the complaints."""
    clock = clock or FakeClock()
    rules = Rules(mode="deliver", keep_good=keep_good)
    made = Deliverer(settings or settings_of(), rules, sink, keeper, clock=clock)
    answers, complaints = made.answers(
        parse_request(sent), Decoder(), Deadline(clock, None, 5.0, cap_seconds=FIREHOSE_SECONDS)
    )
    results = [result for result, _ in judged(sent, response(answers, 5_000_000))]
    return results, [complaint.message for complaint in complaints]


def test_what_is_settled_is_dropped() -> None:
    sink = MemorySink()
    control = payload("probe", kind="CONTROL_MESSAGE")
    sent = event(payload(*lines(3)), LINE.encode(), control, b"", payload(*lines(700), tag="b"))
    assert delivered(sent, sink) == (["Dropped"] * 5, [])
    assert len(sink.documents) == 704
    assert delivered(sent, sink) == (["Dropped"] * 5, [])  # tried again by Firehose: nothing twice
    assert len(sink.documents) == 704


def test_it_sends_what_the_mode_bulk_would_have_written() -> None:
    sent = event(payload(*lines(3)), f"{LINE}\n{LINE}".encode())
    sink = FaultySink(MemorySink(), [])
    delivered(sent, sink)
    plan = transform(parse_request(sent), Decoder(), Rules(mode="bulk"))
    assert len(plan.answers) == 2
    bodies = b"".join(bulk.body for bulk in sink.writes)
    assert bodies == b"".join(base64.b64decode(answer.data) for answer in plan.answers)


def test_undecodable_records_fail_alone_and_their_good_lines_are_delivered() -> None:
    sink = MemorySink()
    sent = event(payload(LINE, BROKEN), payload(LINE, tag="b"), b"\x1f\x8bnope", LINE.encode())
    sent["records"].append({"recordId": "x", "data": "%%%"})
    results, complaints = delivered(sent, sink)
    assert results == ["ProcessingFailed", "Dropped", "ProcessingFailed", "Dropped", "ProcessingFailed"]
    assert len(sink.documents) == 3
    assert len(complaints) == 3
    assert "99999" in complaints[0]
    assert "base64" in complaints[2]


def test_bad_lines_are_kept_where_that_is_wanted() -> None:
    keeper = MemoryDeadLetters()
    results, _ = delivered(event(payload(LINE, BROKEN)), MemorySink(), keeper, keep_good=True)
    assert results == ["Dropped"]
    assert [letter.raw for letter in keeper.entries] == [BROKEN.encode()]
    results, _ = delivered(event(payload(LINE, BROKEN)), MemorySink(), MemoryDeadLetters())
    assert results == ["ProcessingFailed"]


@pytest.mark.parametrize("kept", [False, True])
def test_a_rejected_document_is_kept_or_fails_its_record(kept: bool) -> None:  # noqa: FBT001
    keeper = MemoryDeadLetters() if kept else None
    sink = FaultySink(MemorySink(), [Fault(items={1: Outcome.REJECTED})])
    sent = event(payload(LINE), payload(LINE, tag="b"), payload(LINE, tag="c"))
    results, _ = delivered(sent, sink, keeper)
    assert results == ["Dropped", "Dropped" if kept else "ProcessingFailed", "Dropped"]
    assert [letter.reason for letter in keeper.entries] == ["rejected"] if keeper else True


def test_a_storm_of_bad_lines_fails_record_by_record_or_everything() -> None:
    sent = event(*[BROKEN.encode()] * 1_500, LINE.encode())
    results, complaints = delivered(sent, MemorySink())
    assert results == ["ProcessingFailed"] * 1_500 + ["Dropped"]
    assert len(complaints) == 1_500
    with pytest.raises(DataError):
        delivered(sent, MemorySink(), MemoryDeadLetters(), keep_good=True)


def test_a_cluster_that_comes_back_costs_nothing() -> None:
    sink = MemorySink()
    faulty = FaultySink(sink, [AWAY, Fault(after=SinkUnavailable("lost answer")), AWAY])
    assert delivered(event(payload(*lines(5))), faulty) == (["Dropped"], [])
    assert len(sink.documents) == 5


def test_a_cluster_that_stays_away_fails_the_invocation_in_time() -> None:
    clock = FakeClock()
    sink = FaultySink(MemorySink(), [AWAY] * 10_000)
    with pytest.raises(SinkUnavailable, match="2 records, none of them settled"):
        delivered(event(payload(*lines(5)), LINE.encode()), sink, clock=clock)
    assert clock.now <= 295 * 2 / 3 + 1


class DeadAfter(MemorySink):
    """Takes some bodies, and is gone."""

    def __init__(self, bodies: int, clock: FakeClock) -> None:
        super().__init__()
        self._left = bodies
        self._clock = clock

    def write(self, bulk: Bulk) -> Answer:
        if self._left == 0:
            self._clock.advance(30)
            raise SinkUnavailable("away")
        self._left -= 1
        return super().write(bulk)


def test_what_was_not_settled_in_time_fails_alone() -> None:
    clock = FakeClock()
    sink = DeadAfter(2, clock)
    sent = event(*[payload(*lines(10), tag=str(number)) for number in range(6)])
    results, complaints = delivered(sent, sink, clock=clock, settings=settings_of(BULK__MAX_ACTIONS="10"))
    assert results == ["Dropped"] * 2 + ["ProcessingFailed"] * 4
    assert len(sink.documents) == 20
    assert all("not settled" in complaint for complaint in complaints)


def test_a_refusal_fails_the_invocation() -> None:
    sink = FaultySink(MemorySink(), [Fault(before=SinkRefused("no such template"))])
    with pytest.raises(SinkRefused, match="no such template"):
        delivered(event(payload(LINE)), sink)


def test_parts_that_come_back_from_another_mode_keep_their_ids() -> None:
    record = f"{LINE}\n{LINE}".encode()
    plan = transform(parse_request(event(record)), Decoder(), Rules(mode="document"))
    make: Callable[..., Any] | None = plan.errands[0].parts
    assert make is not None
    sink = MemorySink()
    assert delivered(event(*make(), arrival=1_418_530_200_000), sink) == (["Dropped"] * 2, [])
    assert delivered(event(record), sink) == (["Dropped"], [])
    assert len(sink.documents) == 2


def test_answers_are_small() -> None:
    sent = event(*[payload(*lines(2), tag=str(number)) for number in range(300)])
    results, _ = delivered(sent, MemorySink())
    assert results == ["Dropped"] * 300
    assert len(json.dumps(sent)) < 5_000_000


def test_a_record_that_found_no_room_is_not_settled() -> None:
    """One document stays undecided, so that soon no room is left: what was never taken fails, and comes again."""

    class Blocked(MemorySink):
        def write(self, bulk: Bulk) -> Answer:
            if b"10.9.9.9" in bulk.body:
                raise SinkUnavailable("this index takes no writes")
            return super().write(bulk)

    sink, clock = Blocked(), SystemClock()
    addresses = ["10.9.9.9", *(f"10.0.0.{number}" for number in range(1, 6))]
    sent = event(*(LINE.replace(LINE.split()[3], address).encode() for address in addresses))
    bulk = {"BULK__IN_FLIGHT": "2", "BULK__MAX_ACTIONS": "1"}
    retry = {"RETRY__INITIAL_SECONDS": "0.05", "RETRY__MAX_SECONDS": "0.05", "RETRY__DEADLINE_SECONDS": "2"}
    made = Deliverer(settings_of(**bulk, **retry), Rules(mode="deliver"), sink, None, clock=clock)
    answers, _ = made.answers(parse_request(sent), Decoder(), Deadline(clock, None, 1.0, cap_seconds=60))
    results = [result for result, _ in judged(sent, response(answers, 5_000_000))]
    assert results[0] == "ProcessingFailed"
    assert 0 < results.count("Dropped") == len(sink.documents) < 5
