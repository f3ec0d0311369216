"""One object's way: what is settled, what is left, and what is handed over. Objects and outputs are scripted here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import DeadLetterError, SinkRefused, SinkUnavailable, VpcFlowError
from vpcflow.forwarding.work import Done, Feed, Left, Result, Run, begin, forward_object, hand_over, settle
from vpcflow.objects.failures import ObjectAway, ObjectGone
from vpcflow.objects.reference import ObjectRef, Resume
from vpcflow.pipeline.pipeline import Record
from vpcflow.types import LinesAt, Origin

REF = ObjectRef(bucket="flows", key="AWSLogs/1/vpcflowlogs/a.log.gz", etag="e1")


@dataclass
class Script:
    """A deadline, objects and outputs that do as they are told."""

    lines: int = 10
    per_run: int = 1
    etag: str = "e1"
    stop_after: int = 1_000_000  # runs that may be sent
    fails_at: int = -1  # the position whose submit raises
    error: VpcFlowError = field(default_factory=lambda: SinkUnavailable("away"))
    breaks_at: int = -1  # the line at which the object cannot be read on
    breaks: VpcFlowError = field(default_factory=lambda: ObjectAway("s3 is away"))
    lost: Callable[[int], bool] = lambda _line: False  # lines whose run never settles
    keeps: bool = True
    damaged: bool = False
    sent: list[int] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    open: set[tuple[int, int]] = field(default_factory=set)
    opened: int = 0

    # a deadline
    def is_over(self) -> bool:
        return len(self.sent) >= self.stop_after

    # a fan
    def submit(self, record: Record) -> None:
        assert record.at is not None
        if len(self.sent) == self.fails_at:
            self.open.add(record.position)
            raise self.error
        self.sent.append(record.at.position)
        if self.lost(record.at.position):
            self.open.add(record.position)

    def keep(self, letter: DeadLetter) -> None:
        if not self.keeps:
            raise DeadLetterError("the folder is full")
        self.letters.append(letter)

    def flush(self, seconds: float) -> bool:
        return not self.open

    # a reader
    def wanted(self, ref: ObjectRef) -> bool:
        return "vpcflowlogs" in ref.key

    @contextmanager
    def open_object(self, ref: ObjectRef) -> Iterator[Script.Reading]:
        self.opened += 1
        if self.breaks_at < 0 and isinstance(self.breaks, ObjectGone):
            raise self.breaks
        yield Script.Reading(self, ref)

    def gone(self, ref: ObjectRef, error: Exception) -> DeadLetter | None:
        return letter(str(error)) if isinstance(error, ObjectGone) else None

    @dataclass
    class Reading:
        script: Script
        ref: ObjectRef
        origin: Origin = field(default_factory=lambda: Origin(name="s3:flows/a"))

        @property
        def etag(self) -> str:
            return self.script.etag

        def runs(self) -> Iterator[Run]:
            script, resume = self.script, self.ref.resume
            first = resume.line if resume and resume.etag == script.etag else 0
            for line in range(first, script.lines, script.per_run):
                if line == script.breaks_at:
                    raise script.breaks
                count = min(script.per_run, script.lines - line)
                yield Run(at=LinesAt(position=line), data=b"x\n" * count, lines=count)
            if script.damaged:
                yield Run(at=LinesAt(position=script.lines), lines=1, letter=letter("truncated"))


class Reads:
    """`open` of a fan is a set, `open` of a reader a method."""

    def __init__(self, script: Script) -> None:
        self.wanted, self.open, self.gone = script.wanted, script.open_object, script.gone


def letter(message: str) -> DeadLetter:
    return DeadLetter(reason="gzip", message=message, raw=b"", source="s", position=0, first_seen_ms=0)


def forward(script: Script, ref: ObjectRef = REF) -> Result:
    return forward_object(ref, Feed(script), reads=Reads(script), deadline=script, settle_seconds=1.0)


def left(result: Result) -> tuple[int, bool]:
    assert isinstance(result, Left)
    return (result.ref.resume.line if result.ref.resume else 0), result.progress


def test_all_of_it_is_settled() -> None:
    script = Script(per_run=3)
    assert forward(script) == Done(ref=REF, lines=10)
    assert script.sent == [0, 3, 6, 9]


@pytest.mark.parametrize("per_run", [1, 3, 10])
@pytest.mark.parametrize("stop_after", range(1, 4))
def test_8_9_11_a_deadline_anywhere_loses_no_line_and_sends_none_twice(per_run: int, stop_after: int) -> None:
    ref, sent = REF, []
    for _ in range(20):
        script = Script(per_run=per_run, stop_after=stop_after)
        result = forward(script, ref)
        sent += script.sent
        if isinstance(result, Done):
            break
        handed: list[ObjectRef] = []
        assert hand_over([result], send=handed.append, max_continuations=20) == ""
        (ref,) = handed
    assert isinstance(result, Done)
    assert sent == [*range(0, 10, per_run)]


def test_lines_behind_one_that_is_not_settled_are_left() -> None:
    result = forward(Script(lost=lambda line: line == 4))
    assert left(result) == (4, True)
    assert result.reason == "not settled in time: the search engine was away or slow"  # type: ignore[union-attr]


def test_nothing_settled_is_no_progress() -> None:
    assert left(forward(Script(lost=lambda _line: True))) == (0, False)


def test_progress_is_counted_from_the_resume() -> None:
    ref = replace(REF, resume=Resume(etag="e1", line=4, hops=3))
    assert left(forward(Script(lost=lambda _line: True), ref)) == (4, False)
    result = forward(Script(lost=lambda line: line == 6), ref)
    assert left(result) == (6, True)
    assert result.ref.resume == Resume(etag="e1", line=6, hops=3)


def test_another_object_under_the_same_key_begins_anew() -> None:
    ref = replace(REF, resume=Resume(etag="e1", line=4))
    script = Script(etag="e2", stop_after=2)
    result = forward(script, ref)
    assert script.sent == [0, 1]
    assert result.ref.resume == Resume(etag="e2", line=2, hops=1)


def test_no_time_at_all_opens_nothing() -> None:
    script = Script(stop_after=0)
    result = forward(script)
    assert (script.opened, left(result)) == (0, (0, False))
    assert "before its turn" in result.reason  # type: ignore[union-attr]


def test_an_output_that_breaks_ends_it_for_all_that_follow() -> None:
    script = Script(fails_at=4, error=SinkRefused("no such index"))
    feed, reads = Feed(script), Reads(script)
    first = begin(REF, feed, reads=reads, deadline=script)
    second = begin(REF, feed, reads=reads, deadline=script)
    assert not settle(feed, 1.0)
    assert left(first.result()) == (4, True)
    assert left(second.result()) == (0, False)
    assert script.opened == 1
    assert str(feed.trouble) == first.result().reason == "no such index"  # type: ignore[union-attr]


def test_s3_that_goes_away_in_the_middle() -> None:
    result = forward(Script(breaks_at=6, per_run=2))
    assert left(result) == (6, True)
    assert result.reason == "s3 is away"  # type: ignore[union-attr]


def test_s3_that_is_away_at_the_beginning() -> None:
    assert left(forward(Script(breaks_at=0))) == (0, False)


def test_an_object_that_is_gone_is_a_dead_letter_and_settled() -> None:
    script = Script(breaks=ObjectGone("gone"))
    assert forward(script) == Done(ref=REF, gone=True)
    assert [one.message for one in script.letters] == ["gone"]


def test_a_dead_letter_that_is_not_kept_settles_nothing() -> None:
    script = Script(breaks=ObjectGone("gone"), keeps=False)
    result = forward(script)
    assert left(result) == (0, False)
    assert result.reason == "the folder is full"  # type: ignore[union-attr]
    assert left(forward(Script(damaged=True, keeps=False))) == (10, True)


def test_damage_is_a_dead_letter_behind_the_lines_before_it() -> None:
    script = Script(damaged=True)
    assert forward(script) == Done(ref=REF, lines=11)
    assert [one.message for one in script.letters] == ["truncated"]


def test_other_keys_are_skipped() -> None:
    script = Script()
    other = replace(REF, key="AWSLogs/1/CloudTrail/a.json.gz")
    assert forward(script, other) == Done(ref=other, skipped=True)
    assert script.opened == 0


def test_a_fault_of_this_program_is_never_a_result() -> None:
    script = Script(lost=lambda _line: 1 / 0 > 0)
    with pytest.raises(ZeroDivisionError):
        forward(script)


LEFT = Left(ref=replace(REF, resume=Resume(etag="e1", line=5, hops=2)), progress=True, reason="time was up")


def test_what_is_left_is_sent_before_the_message_counts_as_settled() -> None:
    sent: list[ObjectRef] = []
    other = Left(ref=REF, progress=False, reason="time was up before its turn")
    assert hand_over([Done(ref=REF, lines=1), LEFT, other], send=sent.append, max_continuations=200) == ""
    assert [one.resume for one in sent] == [Resume(etag="e1", line=5, hops=3), Resume(etag="e1", line=0, hops=1)]


def test_35_no_progress_leaves_the_message_in_its_queue() -> None:
    sent: list[ObjectRef] = []
    for results in ([replace(LEFT, progress=False)], [Done(ref=REF, skipped=True), replace(LEFT, progress=False)]):
        why = hand_over(results, send=sent.append, max_continuations=200)
        assert why == f"{REF.url}: time was up; nothing of it was settled this time"
    assert sent == []


def test_a_hand_over_that_fails_is_a_failure() -> None:
    def send(_ref: ObjectRef) -> None:
        raise VpcFlowError("the queue is away")

    assert hand_over([LEFT], send=send, max_continuations=200).endswith("could not be handed over: the queue is away")


def test_hand_overs_have_a_cap() -> None:
    sent: list[ObjectRef] = []
    assert hand_over([LEFT], send=sent.append, max_continuations=3) == ""
    assert "handed over 2 times already (forwarder.max_continuations)" in hand_over(
        [LEFT], send=sent.append, max_continuations=2
    )
    assert len(sent) == 1


def test_without_a_queue_nothing_is_handed_over() -> None:
    assert "set forwarder.continue_queue_url" in hand_over([LEFT], send=None, max_continuations=9)


def test_all_done_needs_no_queue() -> None:
    assert hand_over([Done(ref=REF)], send=None, max_continuations=1) == ""
    assert hand_over([], send=None, max_continuations=1) == ""
