"""Every program heeds the filter: what is left out is settled, counted, and nowhere to be found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from firehose_transform.answers import response
from firehose_transform.deliver import Deliverer
from firehose_transform.events import parse_request
from firehose_transform.program import FIREHOSE_SECONDS
from firehose_transform.rules import Rules
from firehose_transform.transform import transform
from tests.firehose_transform.contract import BROKEN, LINE, event, judged, payload
from vpcflow.clock import FakeClock
from vpcflow.codec import CodecOptions, Decoder
from vpcflow.codec.origins import kinesis_origin
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.deadline import Deadline
from vpcflow.metrics.meters import Tally
from vpcflow.pipeline.pipeline import BatchBounds, Pipeline, Record
from vpcflow.replay.replayer import Replayer
from vpcflow.settings.decoding import codec_options
from vpcflow.settings.load import load
from vpcflow.sink.memory import MemorySink
from vpcflow.types import Answer, Bulk

REJECTED = LINE.replace("ACCEPT", "REJECT")
ONLY_REJECTED = CodecOptions(include=("action == REJECT",))
LABELS = "eni-1235b8ca,web\n172.31.0.0/16,ours\n"
ENVIRON = {"VPCFLOW_FILTER__INCLUDE": "action == REJECT", "VPCFLOW_LABELS__INTERNAL_CIDRS": "172.31.0.0/16"}
HANDLER = (
    "import json, sys; from firehose_transform.handler import handler\n"
    "answer = handler(json.load(sys.stdin), None)\n"
    "clients = {'boto3', 'botocore', 'elasticsearch', 'tenacity', 'vpcflow.wiring', 'vpcflow.pipeline', 'vpcflow.sink'}\n"
    "print(json.dumps([answer, sorted(clients & set(sys.modules))]))"
)


class Sends:
    def __init__(self, sink: MemorySink) -> None:
        self.sink = sink

    def deliver(self, bulk: Bulk) -> Answer:
        return self.sink.write(bulk)


def environ(folder: Path) -> dict[str, str]:
    path = folder / "labels.csv"
    path.write_text(LABELS)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("VPCFLOW_", "AWS_"))}
    return clean | ENVIRON | {"VPCFLOW_LABELS__FILES": str(path)}


def is_named(document: dict[str, object]) -> bool:
    return document["labels"] == {"interface": "web", "source": "ours", "destination": "ours"}


def test_decode(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "vpcflow", "decode", "-"],
        input=f"{LINE}\n{REJECTED}\n{LINE}\n",
        capture_output=True,
        text=True,
        check=True,
        env=environ(tmp_path),
    )
    (document,) = [json.loads(line) for line in ran.stdout.splitlines()]
    assert document["event"]["action"] == "REJECT"
    assert document["network"]["direction"] == "internal"
    assert is_named(document)
    assert ran.stderr.splitlines()[-1] == (
        "3 lines, 1 document, 0 control messages, 0 headers, 0 undecodable, 2 left out"
    )


def test_decode_refuses_a_wrong_expression() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "vpcflow", "decode", "-"],
        input="",
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"VPCFLOW_FILTER__EXCLUDE": "acton == REJECT"},
    )
    assert ran.returncode == 78
    assert "filter.exclude[0]: column 1: unknown field 'acton'; did you mean action?" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("mode", ["documents", "bulk", "document"])
def test_the_firehose_function(mode: str, tmp_path: Path) -> None:
    sent = event(payload(LINE, LINE), payload(REJECTED), payload(LINE, BROKEN))
    ran = subprocess.run(
        [sys.executable, "-c", HANDLER],
        input=json.dumps(sent),
        capture_output=True,
        text=True,
        check=True,
        env=environ(tmp_path) | {"VPCFLOW_FIREHOSE__MODE": mode},
    )
    answer, clients = json.loads(ran.stdout.splitlines()[-1])
    assert clients == []
    (nothing, _), (good, data), (broken, _) = judged(sent, answer)
    assert (nothing, good, broken) == (
        "Dropped",
        "Ok",
        "Dropped",
    )  # BROKEN is an ACCEPT: not wanted, whatever its port is
    assert is_named(json.loads(data.splitlines()[-1]))


def test_the_firehose_function_counts_what_it_leaves_out() -> None:
    tally = Tally()
    transform(parse_request(event(payload(LINE, REJECTED, LINE))), Decoder(ONLY_REJECTED), Rules(), meters=tally)
    assert tally.snapshot().counters == {("lines", ("document",)): 1, ("lines", ("filtered",)): 2}


def test_bad_lines_beside_what_is_left_out() -> None:
    wrong = BROKEN.replace("ACCEPT", "REJECT")
    sent = event(payload(LINE, wrong))
    failing = transform(parse_request(sent), Decoder(ONLY_REJECTED), Rules())
    assert [answer.result for answer in failing.answers] == ["ProcessingFailed"]
    keeping = transform(parse_request(sent), Decoder(ONLY_REJECTED), Rules(keep_good=True))
    assert [answer.result for answer in keeping.answers] == ["ProcessingFailed"]  # until its letter is kept
    (errand,) = keeping.errands
    assert errand.then.result == "Dropped"
    assert [letter.raw.decode() for letter in errand.letters] == [wrong]


def test_the_firehose_function_that_delivers() -> None:
    settings = load(None, {"VPCFLOW_FIREHOSE__MODE": "deliver", **ENVIRON}).settings
    clock, sink = FakeClock(), MemorySink()
    deliverer = Deliverer(settings, Rules(mode="deliver"), sink, None, clock=clock)
    sent = event(payload(LINE, LINE), payload(REJECTED))
    deadline = Deadline(clock, None, 5.0, cap_seconds=FIREHOSE_SECONDS)
    answers, complaints = deliverer.answers(parse_request(sent), Decoder(codec_options(settings)), deadline)
    assert [result for result, _ in judged(sent, response(answers, 5_000_000))] == ["Dropped", "Dropped"]
    assert complaints == []
    assert len(sink.documents) == 1


def submitted(options: CodecOptions, sink: MemorySink, letters: MemoryDeadLetters, *texts: str) -> Pipeline:
    made = Pipeline(
        decoder=Decoder(options),
        delivery=Sends(sink),
        deadletters=letters,
        bounds=BatchBounds(storm_fraction=1.0),
        clock=FakeClock(),
    )
    for number, text in enumerate(texts):
        origin = kinesis_origin(
            stream="s", shard="0", sequence=str(number), subsequence=0, arrival_ms=1_418_530_100_000
        )
        made.submit(Record(data=text.encode(), origin=origin, position=(number, 0)))
    made.flush()
    made.close()
    return made


def test_the_pipeline_settles_what_is_left_out() -> None:
    sink, letters = MemorySink(), MemoryDeadLetters()
    made = submitted(ONLY_REJECTED, sink, letters, f"{LINE}\n{LINE}", f"{LINE}\n{REJECTED}", LINE)
    assert (made.counts.lines, made.counts.documents, made.counts.filtered) == (5, 1, 4)
    assert made.settled == (2, 0)
    assert len(sink.documents) == 1
    assert letters.entries == []


def test_a_dead_letter_is_tried_with_today_s_filter() -> None:
    letters, sink = MemoryDeadLetters(), MemorySink()
    broken = "2 hopeless"
    submitted(CodecOptions(), MemorySink(), letters, broken, LINE.replace(" 22 ", " 22x "))
    assert len(letters.entries) == 2
    letters.entries[1] = replace(letters.entries[1], raw=LINE.encode())  # as if its format were known today
    report = Replayer(
        decoder=Decoder(ONLY_REJECTED), delivery=Sends(sink), existing=None, max_bytes=10**6, max_actions=10
    ).run(letters, lambda _letter: True)
    assert (report.created, report.empty, report.succeeded.total(), report.failed.total()) == (0, 1, 1, 1)
    assert len(sink.documents) == 0
    assert [entry.raw.decode() for entry in letters.entries] == [broken]  # it is settled, not kept for ever
