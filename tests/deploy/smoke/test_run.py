"""Whole runs in an emulated AWS: what they say, how they end, and that nothing of them is left."""

from __future__ import annotations

import io
import re
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from deploy.smoke.assumptions import ASSUMPTIONS
from deploy.smoke.command import main
from tests.deploy.smoke.world import World

ARGUMENTS = ["--yes", "--region", "eu-central-1", "--events", "200", "--minutes", "4"]


Runs = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(world: World, zips: Mapping[str, Path], capsys: pytest.CaptureFixture[str]) -> Runs:
    def go(*more: str) -> tuple[int, str, str]:
        code = main([*ARGUMENTS, *more], account=world, clock=world.clock, pack=lambda _architecture: zips)
        said = capsys.readouterr()
        return code, said.out, said.err

    return go


def test_all_is_as_planted_and_as_assumed(run: Runs, world: World) -> None:
    code, said, _ = run()
    assert code == 0, said
    assert not re.search("BAD|OTHERWISE|LEFT|not seen", said), said
    assert re.search(r"ok\s+Firehose to S3: every good event is there, once: planted \d+ events", said)
    assert re.search(r"ok\s+Firehose to S3: every broken line is kept aside: planted [1-9]\d* broken lines", said)
    assert re.search(r"ok\s+Kinesis: every event is in the stream: planted 200 events", said)
    assert said.count("confirmed: ") == sum(bool(one.confirmed) for one in ASSUMPTIONS) - 1  # keys want a search engine
    assert re.search(r"about \$0\.\d\d for 0\.5\d* hours", said)
    assert "nothing is left" in said
    assert world.left() == []


def test_a_document_is_missing(run: Runs, world: World) -> None:
    world.lose = 10
    code, said, _ = run()
    assert code == 70
    assert re.search(r"BAD\s+Firehose to S3: every good event is there, once", said)
    assert re.search(r"ok\s+Kinesis: every event is in the stream", said)
    assert world.left() == []


@pytest.mark.slow
def test_something_is_other_than_assumed(run: Runs, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.firehose.emulator.processor.RETRY_PAUSE_SECONDS", 20.0)
    code, said, _ = run()
    assert code == 65
    assert "OTHERWISE: pause-between-calls" in said
    assert "Seen: 20.0 s, 20.0 s" in said
    assert world.left() == []


@pytest.mark.slow
def test_the_stack_fails(run: Runs, world: World) -> None:
    world.refused["cloudformation:CreateStack", ""] = "AccessDenied"
    code, said, err = run()
    assert code == 75
    assert err == "error: cloudformation:CreateStack: AccessDenied: because this test says so; try again later\n"
    assert "nothing is left" in said
    assert world.left() == []


def test_the_stack_says_why_it_fails(run: Runs, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    make = world._CreateStack

    def failing(**given: object) -> dict[str, object]:
        made = make(**given)
        world.status = "CREATE_FAILED"
        return made

    monkeypatch.setattr(world, "_CreateStack", failing)
    code, _, err = run()
    assert code == 70
    assert re.fullmatch(r"error: stack smoke-[0-9a-f]{8}: CREATE_FAILED: ToS3: CREATE_FAILED: it is not allowed\n", err)
    assert world.left() == []


@pytest.mark.parametrize(
    "at",
    [
        "logs:PutLogEvents",
        *(
            pytest.param(at, marks=pytest.mark.slow)
            for at in ("s3:PutObject", "cloudformation:DescribeStacks", "kinesis:GetRecords")
        ),
    ],
)
def test_stopped_in_the_middle(run: Runs, world: World, at: str) -> None:
    world.interrupt_at = at
    code, said, err = run()
    assert code == 130
    assert err.endswith("stopped\n")
    assert "nothing is left" in said
    assert world.left() == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_ended_by_a_supervisor_or_a_terminal_that_goes(run: Runs, world: World, number: signal.Signals) -> None:
    world.interrupt_at, world.interrupt_by = "logs:PutLogEvents", number
    before = signal.getsignal(number)
    code, said, _ = run()
    assert code == 130
    assert "nothing is left" in said
    assert world.left() == []
    assert signal.getsignal(number) is before


def test_stopped_while_nobody_listens_any_more(run: Runs, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """`| tee` is ended by the same Ctrl-C: what is said then fails."""

    class Gone(io.StringIO):
        def flush(self) -> None:
            if not world.interrupt_at:
                raise BrokenPipeError

    world.interrupt_at = "logs:PutLogEvents"
    monkeypatch.setattr(sys, "stdout", Gone())
    code, _, _ = run()
    assert code == 130
    assert world.left() == []


def test_nothing_is_said_to_be_left_where_nothing_was_made(run: Runs, world: World) -> None:
    world.refused["sts:GetCallerIdentity", ""] = "ExpiredToken"
    code, said, err = run()
    assert code == 75
    assert err.startswith("error: sts:GetCallerIdentity: ExpiredToken")
    assert "LEFT" not in said
    assert world.calls == ["sts:GetCallerIdentity"]


@pytest.mark.slow
def test_stopped_while_it_takes_away(run: Runs, world: World) -> None:
    world.interrupt_at = "cloudformation:DeleteStack"
    code, said, _ = run()
    assert code == 130
    assert re.search(r"LEFT: whatever is named (smoke-\w+), .*--remove \1 --region eu-central-1", said)


def test_what_cannot_be_taken_away_is_named(run: Runs, world: World) -> None:
    world.refused["s3:DeleteBucket", "smoke-"] = "AccessDenied"
    code, said, _ = run()
    assert code == 70
    left = re.findall(r"LEFT: bucket (\S+): s3:DeleteBucket: AccessDenied", said)
    assert sorted(left) == sorted(world.left())
    assert len(left) == 3  # of Firehose, of the probes, of the code
    again = re.search(r"try again: python -m deploy\.smoke (--remove (\S+) --region \S+)", said)
    assert again

    world.refused.clear()
    assert main(again[1].split(), account=world, clock=world.clock) == 0
    assert world.left() == []


def test_taking_away_what_may_not_be_looked_at_is_one_line(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.refused["cloudformation:DescribeStacks", ""] = "ExpiredToken"
    assert main(["--remove", "smoke-0123abcd"], account=world, clock=world.clock) == 75
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert said.err.startswith("error: cloudformation:DescribeStacks: ExpiredToken")


def test_nothing_to_take_away_may_be_another_region(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--remove", "smoke-0123abcd"], account=world, clock=world.clock) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"there is no stack smoke-0123abcd in {world.region}: if the run was in another region, say")
    assert said.endswith(f"nothing of smoke-0123abcd is left in {world.region}\n")


@pytest.mark.slow
def test_a_stack_that_does_not_go(run: Runs, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, "_DeleteStack", lambda StackName: setattr(world, "status", "DELETE_FAILED") or {})  # noqa: N803
    code, said, _ = run()
    assert code == 70
    assert re.search(r"LEFT: stack smoke-[0-9a-f]{8}: ToS3: DELETE_FAILED: it is not allowed", said)


@pytest.mark.slow
def test_without_probes_none_are_made(run: Runs, world: World) -> None:
    code, said, _ = run("--no-probes")
    assert code == 0, said
    assert "firehose:PutRecordBatch" not in world.calls
    assert "broken-reply" not in said
    assert world.left() == []


@pytest.mark.slow
def test_kept_where_asked_for(run: Runs, world: World) -> None:
    code, said, _ = run("--keep")
    assert code == 0
    again = re.search(
        r"kept, and billed: python -m deploy\.smoke (--remove smoke-\w+ --region \S+) takes it away", said
    )
    assert again
    assert world.left()
    assert main(again[1].split(), account=world, clock=world.clock) == 0
    assert world.left() == []
