from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from vpcflow.clock import FakeClock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.file_shelves import read_entries
from vpcflow.deadletters.files import FileDeadLetters
from vpcflow.types import Origin

Engine: TypeAlias = Any  # tests/cli/conftest.py
Run = Callable[..., Any]
ORIGIN = Origin(
    identity=b"key", name="kinesis:flows", arrival_ms=1_700_000_000_000, fields={"aws.kinesis.name": "flows"}
)
EVENT = {"owner": "1", "log_group": "custom", "log_stream": "s"}
LETTER = DeadLetter(
    reason="format",
    message="no format known",
    raw=b"10.0.0.1 443 1700000000",
    source="kinesis:flows",
    identity={"sequence": "17"},
    position=0,
    first_seen_ms=1_700_000_000_000,
    origin=ORIGIN,
    context={**EVENT, "event_id": "e0", "event_timestamp": 1_700_000_000_000},
)
SECOND = replace(LETTER, position=1, context={**EVENT, "event_id": "e1"})
REJECTED = replace(
    LETTER, reason="rejected", error_type="mapper_parsing_exception", raw=b"rej", position=2,
    source="kinesis:other", first_seen_ms=1_700_086_400_000,
)  # fmt: skip
BROKEN = replace(LETTER, reason="gzip", raw=b"\x1f\x8b\x00binary", position=-1, message="\x1b[31mred", context={})
KNOWN = '[{"format": "srcaddr srcport end", "log_group": "custom"}]'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "letters"
    FileDeadLetters(found, clock=FakeClock()).put(LETTER, SECOND, REJECTED, BROKEN)
    return found


def test_list_shows_a_line_for_each_and_counts(run: Run, folder: Path) -> None:
    ran = run("deadletters", "list", VPCFLOW_DEADLETTERS__PATH=str(folder))
    assert (ran.code, ran.err) == (0, "")
    head, first, _, third, fourth, blank, *counts = ran.out.splitlines()
    assert head.split()[:3] == ["id", "first", "seen"]
    assert first.split() == [
        LETTER.id[:12], "2023-11-14T22:13:20Z", "format", "-", "kinesis:flows", "0", "no", "format", "known",
    ]  # fmt: skip
    assert "mapper_parsing_exception" in third
    assert fourth.endswith("  -  \ufffd[31mred")  # nothing of a log line reaches the terminal as a command
    assert blank == ""
    assert counts == ["format: 2", "rejected: 1", "gzip: 1", "4 dead letters"]


def test_list_as_json(run: Run, folder: Path) -> None:
    ran = run("deadletters", "list", "--json", "--at", folder)
    assert [one["id"] for one in ran.documents] == [LETTER.id, SECOND.id, REJECTED.id, BROKEN.id]
    assert DeadLetter.from_json(json.dumps({k: v for k, v in ran.documents[0].items() if k != "id"}).encode()) == LETTER
    assert ran.err.splitlines()[-1] == "4 dead letters"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (["--reason", "rejected"], [REJECTED]),
        (["--reason", "rejected", "--reason", "gzip"], [REJECTED, BROKEN]),
        (["--error-type", "mapper*"], [REJECTED]),
        (["--source", "*:flows"], [LETTER, SECOND, BROKEN]),
        (["--since", "2023-11-15"], [REJECTED]),
        (["--until", "2023-11-15T00:00:00Z", "--reason", "gzip"], [BROKEN]),
        (["--since", "1h"], []),
        (["--limit", "2"], [LETTER, SECOND]),
    ],
)
def test_list_of_some(run: Run, folder: Path, options: list[str], found: list[DeadLetter]) -> None:
    ran = run("deadletters", "list", "--json", "--at", folder, *options)
    assert [one["id"] for one in ran.documents] == [one.id for one in found]


def test_counts_alone(run: Run, folder: Path) -> None:
    ran = run("deadletters", "list", "--counts", "--at", folder)
    assert ran.out == "format: 2\nrejected: 1\ngzip: 1\n4 dead letters\n"


def test_a_line_that_is_none_is_told(run: Run, folder: Path) -> None:
    (folder / "1-1-0001.jsonl").write_text("nonsense\n")
    ran = run("deadletters", "list", "--at", folder)
    assert ran.code == 65
    assert "0001.jsonl:1: " in ran.err
    assert "4 dead letters" in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["list", "--since", "soon"], 64, "--since: soon is no time; give one like"),
        (["list", "--at", "{folder}/none"], 66, "is no folder; give the one of deadletters.path"),
        (["list", "--at", "s3:///x"], 64, "no bucket; give s3://BUCKET/PREFIX"),
        (["list", "--limit", "0"], 64, "--limit"),
        (["show", "ffffffffffffffffffff", "--at", "{folder}"], 66, "no such dead letter"),
        (["show", "", "--at", "{folder}"], 64, "4 dead letters begin so"),
        (["nonsense"], 64, "nonsense"),
    ],
)
def test_what_is_asked_for_wrongly(run: Run, folder: Path, arguments: list[str], code: int, words: str) -> None:
    ran = run("deadletters", *[one.format(folder=folder) for one in arguments])
    assert ran.code == code
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1


def test_show_says_all(run: Run, folder: Path) -> None:
    ran = run("deadletters", "show", LETTER.id[:6], "--at", folder)
    assert ran.code == 0
    for part in ("reason:       format", "source:       kinesis:flows", "log_group:    custom", "event_id:     e0"):
        assert part in ran.out
    assert ran.out.endswith("raw:\n  10.0.0.1 443 1700000000\n")


def test_show_dumps_what_is_no_text(run: Run, folder: Path) -> None:
    broken = replace(BROKEN, raw=b"\x1f\x8b\x00binary\xff" + b"z" * 10)
    FileDeadLetters(folder, clock=FakeClock(wall_ms=5)).put(broken)
    ran = run("deadletters", "show", broken.id, "--at", folder)
    assert "  00000000  1f 8b 00 62 69 6e 61 72 79 ff 7a 7a 7a 7a 7a 7a  ...binary.zzzzzz\n" in ran.out
    assert "  00000010  7a 7a 7a 7a  " in ran.out


def replay(run: Run, engine: Engine, folder: Path, *options: str, **environ: str) -> Any:  # noqa: ANN401
    given = {"VPCFLOW_ELASTICSEARCH__HOSTS": engine.url, "VPCFLOW_CODEC__FORMATS": KNOWN, **environ}
    return run("deadletters", "replay", "--at", folder, *options, **given)


def test_replay_sends_what_can_be_sent_now_and_keeps_the_rest(run: Run, folder: Path, engine: Engine) -> None:
    ran = replay(run, engine, folder)
    assert ran.code == 65
    assert len(engine.documents) == 2
    assert ran.out.splitlines()[:2] == [
        "4 tried: 2 succeeded, 2 failed again",
        "  2 documents created, 0 already there, 2 undecodable again",
    ]
    assert "  succeeded: format: 2" in ran.out
    assert ran.err == ""  # no terminal, no progress
    left = list(read_entries(folder))
    assert [(one.raw, one.attempts) for one in left] == [(b"rej", 2), (BROKEN.raw, 2)]
    again = replay(run, engine, folder)
    assert (again.code, len(engine.documents)) == (65, 2)
    assert [one.attempts for one in read_entries(folder)] == [3, 3]


def test_replay_of_all_that_is_well_exits_with_zero(run: Run, folder: Path, engine: Engine) -> None:
    before = [*read_entries(folder)]
    ran = replay(run, engine, folder, "--reason", "format")
    assert (ran.code, len(engine.documents)) == (0, 2)
    assert "2 not asked for" in ran.out
    # Killed between the engine's answer and the taking away: all letters are there again.
    FileDeadLetters(folder, clock=FakeClock(wall_ms=5)).put(*before)
    bulks = engine.bulks
    ran = replay(run, engine, folder, "--reason", "format")
    assert (ran.code, engine.bulks) == (0, bulks)
    assert "0 documents created, 2 already there" in ran.out


def test_dry_run(run: Run, folder: Path, engine: Engine) -> None:
    before = [*read_entries(folder)]
    ran = replay(run, engine, folder, "--dry-run")
    assert ran.out.startswith("4 tried: 2 would be sent, 2 failed again\n  2 documents to send, 0 already there")
    assert (engine.bulks, engine.documents, [*read_entries(folder)]) == (0, {}, before)


def test_replay_of_documents_that_are_rejected_again(run: Run, folder: Path, engine: Engine) -> None:
    replay(run, engine, folder, "--reason", "format")
    engine.rejects, engine.documents = set(engine.documents), {}
    FileDeadLetters(folder, clock=FakeClock(wall_ms=5)).put(LETTER)
    ran = replay(run, engine, folder, "--reason", "format")
    assert ran.code == 65
    assert "1 rejected again" in ran.out
    assert f"{LETTER.id} in " in ran.out
    assert any(one.error_type == "document_parsing_exception" for one in read_entries(folder))


def test_replay_with_the_engine_away(run: Run, folder: Path) -> None:
    ran = run(
        "deadletters", "replay", "--at", folder,
        VPCFLOW_ELASTICSEARCH__HOSTS="http://127.0.0.1:1", VPCFLOW_RETRY__DEADLINE_SECONDS="0.1",
    )  # fmt: skip
    assert ran.code == 75
    assert "127.0.0.1:1" in ran.err
    assert len(list(read_entries(folder))) == 4


def test_replay_in_pattern_mode_asks_for_no_ids(run: Run, folder: Path, engine: Engine) -> None:
    ran = replay(run, engine, folder, "--reason", "format", VPCFLOW_INDEX__MODE="pattern")
    assert (ran.code, len(engine.documents)) == (0, 2)


def test_help_has_examples(run: Run) -> None:
    for command in ("list", "show", "replay"):
        assert f"vpcflow deadletters {command}" in " ".join(run("deadletters", command, "--help").out.split())


def test_inputs_and_outputs_are_not_for_it(run: Run, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    ran = run("deadletters", "list", "--at", folder, VPCFLOW_INPUTS__A__MATCH="*")
    assert ran.code == 0
    said = [line.getMessage() for line in caplog.records]
    assert said == ["inputs and outputs are declared and not used by this program"]
