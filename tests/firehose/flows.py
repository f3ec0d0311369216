"""Generated flow logs, our handler on the stream's clock, and a judge that reads results without our codec."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from firehose_transform.program import Program
from tests.firehose.scene import START_MS
from vpcflow.clock import Clock
from vpcflow.generate import FORMATS, Generator, GeneratorOptions
from vpcflow.generate.manifest import FINGERPRINT_BITS, fingerprint
from vpcflow.metrics.meters import UNMETERED
from vpcflow.settings.load import load

Handler = Callable[[Any, Any], object]


def generator(start_ms: int = START_MS, **options: Any) -> Generator:  # noqa: ANN401 - of GeneratorOptions
    """Return one whose flows end before `start_ms`."""
    known = {"events": 2000, "columns": FORMATS["v2"], "payload_events": 50, "duplicates": 0.0, "broken": 0.0}
    return Generator(GeneratorOptions(**{"start": start_ms // 1000 - 2000, **known, **options}))


def our_handler(clock: Clock, environ: Mapping[str, str] | None = None, **firehose: object) -> Handler:
    """Return the transformation with settings of section `firehose`; lines are kept as `event.original`."""
    variables = {"VPCFLOW_DOCUMENT__EVENT_ORIGINAL": "true", "VPCFLOW_LOGS__LEVEL": "error", **(environ or {})}
    variables |= {f"VPCFLOW_FIREHOSE__{name.upper()}": str(value) for name, value in firehose.items()}
    program = Program(load(None, variables).settings, variables, clock)
    return lambda event, context: program.answer(event, context, UNMETERED)


def batches(records: Iterable[bytes], size: int = 20) -> Iterator[list[bytes]]:
    """Yield the records in batches that PutRecordBatch takes."""
    batch: list[bytes] = []
    for record in records:
        batch.append(record)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def lines_of(record: bytes) -> list[str]:
    """Return the flow-log lines in a record, as a reader of AWS's page finds them: gzip or not, payload or text."""
    try:
        text = gzip.decompress(record)
    except (OSError, EOFError, zlib.error):
        text = record
    try:
        payload = json.loads(text)
    except ValueError:
        return text.decode().splitlines()
    if "logEvents" not in payload:
        return str(payload["message"]).splitlines()
    if payload["messageType"] != "DATA_MESSAGE":
        return []
    return [event["message"] for event in payload["logEvents"]]


def originals(documents: Iterable[Mapping[str, Any]]) -> list[str]:
    return [document["event"]["original"] for document in documents]


def heap(lines: Iterable[str]) -> int:
    """Return the fingerprint of a heap of lines."""
    return sum(map(fingerprint, lines)) % (1 << FINGERPRINT_BITS)


def check_reply(event: Mapping[str, Any], reply: object, *, mode: str, limit: int) -> None:
    """Check a reply by AWS's rules and by what a mode promises; written without our code.

    https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html.
    """
    text = json.dumps(reply)
    assert len(text.encode()) <= limit
    rows = json.loads(text)["records"]
    assert [row["recordId"] for row in rows] == [record["recordId"] for record in event["records"]]
    for row, record in zip(rows, event["records"], strict=True):
        assert row["result"] in ("Ok", "Dropped", "ProcessingFailed")
        assert set(row) - {"metadata"} == {"recordId", "result", "data"}
        data = base64.b64decode(row["data"], validate=True)
        if row["result"] == "Dropped":
            assert data == b""
        elif row["result"] == "ProcessingFailed":
            assert data == base64.b64decode(record["data"])
        else:
            _check_data(data, mode)


def _check_data(data: bytes, mode: str) -> None:
    text = data.decode("utf-8")
    rows = [json.loads(line) for line in text.removesuffix("\n").split("\n")]
    assert all(isinstance(row, dict) for row in rows)
    if mode == "document":
        assert len(rows) == 1
    elif mode == "documents":
        assert text.endswith("\n")
    else:
        assert text.endswith("\n")
        ids = Counter(row["create"]["_id"] for row in rows[::2])
        assert len(rows) == 2 * sum(ids.values())
        assert all("@timestamp" in row for row in rows[1::2])
