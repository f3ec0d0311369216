"""What a data stream has already is not sent to it; each action has its own outcome all the same."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from vpcflow.errors import SinkUnavailable
from vpcflow.replay.missing import OnlyMissing
from vpcflow.types import Answer, Bulk, ItemError, Outcome


class Known:
    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.asked: list[list[str]] = []

    def among(self, ids: Sequence[str]) -> set[str]:
        self.asked.append([*ids])
        return self.names & {*ids}


class Engine:
    def __init__(self, *outcomes: Outcome, error: Exception | None = None) -> None:
        self.outcomes, self.error = outcomes, error
        self.bulks: list[Bulk] = []

    def deliver(self, bulk: Bulk) -> Answer:
        self.bulks.append(bulk)
        if self.error:
            raise self.error
        errors = {
            at: ItemError(status=400, type="t", reason="r")
            for at, outcome in enumerate(self.outcomes)
            if outcome is Outcome.REJECTED
        }
        return Answer(outcomes=self.outcomes, errors=errors, wire_bytes=7)


def bulk(*names: str) -> Bulk:
    lines = [
        f'{{"create":{{"_id":"{name}"}}}}\n{{"n":"{name}"}}\n' if name else '{"create":{}}\n{}\n' for name in names
    ]
    return Bulk("".join(lines).encode(), len(names))


def test_what_is_there_is_a_duplicate_and_not_sent() -> None:
    known, engine = Known("b"), Engine(Outcome.CREATED, Outcome.REJECTED)
    answer = OnlyMissing(engine, known).deliver(bulk("a", "b", "c"))
    assert [*answer.outcomes] == [Outcome.CREATED, Outcome.DUPLICATE, Outcome.REJECTED]
    assert [*answer.errors] == [2]  # where it stood, not where it was sent
    assert (engine.bulks, known.asked) == ([bulk("a", "c")], [["a", "b", "c"]])
    assert answer.wire_bytes == 7


def test_nothing_missing_sends_nothing() -> None:
    engine = Engine()
    assert [*OnlyMissing(engine, Known("a", "b")).deliver(bulk("a", "b")).outcomes] == [Outcome.DUPLICATE] * 2
    assert engine.bulks == []


def test_all_missing_is_sent_as_it_is() -> None:
    engine, one = Engine(Outcome.CREATED), bulk("a")
    OnlyMissing(engine, Known()).deliver(one)
    assert engine.bulks[0] is one


def test_a_document_without_an_id_is_sent() -> None:
    engine = Engine(Outcome.CREATED)
    assert [*OnlyMissing(engine, Known("a", "")).deliver(bulk("", "a")).outcomes] == [
        Outcome.CREATED,
        Outcome.DUPLICATE,
    ]
    assert engine.bulks == [bulk("")]


def test_an_answer_that_is_short_is_no_success() -> None:
    with pytest.raises(ValueError, match="shorter"):
        OnlyMissing(Engine(Outcome.CREATED), Known()).deliver(bulk("a", "b"))


def test_what_the_engine_says_is_passed_on() -> None:
    with pytest.raises(SinkUnavailable, match="away"):
        OnlyMissing(Engine(error=SinkUnavailable("away")), Known("a")).deliver(bulk("a", "b"))
