from __future__ import annotations

from collections.abc import Sequence

import pytest

from firehose_transform.doors import BusyError, Part, ShutError
from firehose_transform.reingest import Reingestion
from vpcflow.clock import FakeClock
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally


class ScriptedDoor:
    """Answers by a script: an exception, or the places in the request that are not taken; afterwards it takes all."""

    def __init__(self, *script: Exception | Sequence[int]) -> None:
        self.calls: list[list[Part]] = []
        self.taken: list[Part] = []
        self._script = iter(script)

    def put(self, parts: Sequence[Part]) -> list[str]:
        self.calls.append(list(parts))
        step = next(self._script, ())
        if isinstance(step, Exception):
            raise step
        self.taken += [part for place, part in enumerate(parts) if place not in step]
        return ["ServiceUnavailableException: slow down" if place in step else "" for place in range(len(parts))]


def going(door: ScriptedDoor, *, attempts: int = 4, seconds: float = 100.0, tally: Tally | None = None) -> Reingestion:
    clock = FakeClock()
    return Reingestion(
        door,
        attempts=attempts,
        clock=clock,
        left=lambda: seconds - clock.now,
        jitter=lambda: 1.0,
        meters=tally or Tally(),
    )


def parts(*numbers: int) -> list[Part]:
    return [Part(number, b"%d-%d" % (number, place), "k") for place, number in enumerate(numbers)]


def test_all_is_taken_at_once() -> None:
    door = ScriptedDoor()
    assert going(door).put(parts(0, 0, 1)) == {}
    assert [len(call) for call in door.calls] == [3]


def test_nothing_is_no_request() -> None:
    door = ScriptedDoor()
    assert going(door).put([]) == {}
    assert door.calls == []


def test_only_what_was_not_taken_is_put_again() -> None:
    tally, made = Tally(), parts(0, 1, 2, 3)
    door = ScriptedDoor([1, 3], [0])
    assert going(door, tally=tally).put(made) == {}
    assert door.calls == [made, [made[1], made[3]], [made[1]]]
    assert sorted(door.taken, key=lambda part: part.number) == made
    assert tally.snapshot().counters[(catalog.REINGESTED.name, ())] == 4


def test_a_busy_door_is_asked_again_with_longer_and_longer_waits() -> None:
    clock = FakeClock()
    door = ScriptedDoor(*[BusyError("x")] * 8)
    ingestion = Reingestion(door, attempts=9, clock=clock, left=lambda: 100.0, jitter=lambda: 1.0)
    assert ingestion.put(parts(0)) == {}
    assert clock.sleeps == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])


def test_after_the_last_attempt_its_record_fails_and_no_other() -> None:
    door = ScriptedDoor([1], [0], [0])
    problems = going(door, attempts=3).put(parts(0, 7, 2))
    assert list(problems) == [7]
    assert "3 requests" in problems[7]
    assert "slow down" in problems[7]
    assert [part.number for part in door.taken] == [0, 2]


def test_a_shut_door_is_asked_once() -> None:
    door = ScriptedDoor(ShutError("InvalidSourceException: decompression is on"))
    assert going(door).put(parts(0, 1)) == dict.fromkeys((0, 1), "InvalidSourceException: decompression is on")
    assert len(door.calls) == 1


def test_nothing_is_begun_after_the_deadline() -> None:
    door = ScriptedDoor(BusyError("x"), BusyError("x"), BusyError("x"), BusyError("x"))
    clock = FakeClock()
    ingestion = Reingestion(door, attempts=50, clock=clock, left=lambda: 1.0 - clock.now, jitter=lambda: 1.0)
    assert "no time" in ingestion.put(parts(5))[5]
    assert clock.now == pytest.approx(1.0)
    assert len(door.calls) == 3
    late = ScriptedDoor()
    assert going(late, seconds=0).put(parts(1)).keys() == {1}
    assert late.calls == []


def test_requests_keep_to_the_limits_of_the_api() -> None:
    door = ScriptedDoor()
    many = [Part(0, b"x" * 10) for _ in range(1_203)] + [Part(1, b"x" * 1_000_000, "key") for _ in range(9)]
    assert going(door).put(iter(many)) == {}
    assert [part for call in door.calls for part in call] == many
    assert max(len(call) for call in door.calls) == 500
    assert max(sum(part.size for part in call) for call in door.calls) <= 4 * 1024 * 1024


def test_a_part_that_no_stream_takes_is_not_sent() -> None:
    door = ScriptedDoor()
    problems = going(door).put([Part(0, b"x" * 1_024_001), Part(1, b"x" * 1_024_000)])
    assert list(problems) == [0]
    assert [part.number for part in door.taken] == [1]


def test_parts_of_a_record_that_failed_are_not_sent_any_more() -> None:
    door = ScriptedDoor(ShutError("no"))
    ingestion = going(door)
    problems = ingestion.put(Part(0, b"x" * 1_000_000) for _ in range(9))
    assert list(problems) == [0]
    assert len(door.calls) == 1


def test_a_shut_door_fails_the_records_behind_it_without_another_request() -> None:
    door = ScriptedDoor(ShutError("no"))
    problems = going(door).put(Part(number, b"x" * 1_000_000) for number in range(9))
    assert problems == dict.fromkeys(range(9), "no")
    assert len(door.calls) == 1


def test_a_failure_without_words_is_no_success() -> None:
    door = ScriptedDoor(BusyError(), BusyError())
    assert list(going(door, attempts=2).put(parts(3))) == [3]
    assert door.taken == []
