"""The OpenSearch destination: Firehose builds `_bulk` itself, a document from each record, with ids of its own.

https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html and
https://docs.aws.amazon.com/firehose/latest/dev/retry.html.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import urllib3

from tests.firehose.emulator import limits
from tests.firehose.emulator.attempts import Delivery
from tests.firehose.emulator.buffering import Buffer
from tests.firehose.emulator.destinations import Surroundings
from tests.firehose.emulator.limits import within
from tests.firehose.emulator.records import Failure, Record

Rotation = Literal["NoRotation", "OneHour", "OneDay", "OneMonth"]
_ROTATIONS = {"NoRotation": "", "OneHour": "-%Y-%m-%d-%H", "OneDay": "-%Y-%m-%d", "OneMonth": "-%Y-%m"}
_AGAIN = (429, 500, 502, 503, 504)
FAILED = "AmazonOpenSearchService_failed"


class ClusterAway(Exception):
    """The whole request failed."""


class Cluster(Protocol):
    """What takes a `_bulk` body: one (status, error) for each document. Raises ClusterAway."""

    def bulk(self, body: bytes) -> list[tuple[int, str]]: ...


class MemoryCluster:
    """Documents by index and id. `judge` may refuse one with a status."""

    def __init__(self, judge: Callable[[dict[str, Any]], int] = lambda _document: 201) -> None:
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.away = False
        self._judge = judge

    def bulk(self, body: bytes) -> list[tuple[int, str]]:
        if self.away:
            raise ClusterAway("connection refused")
        rows = body.split(b"\n")[:-1]
        answers = []
        for action, source in zip(rows[::2], rows[1::2], strict=True):
            target, document = json.loads(action)["index"], json.loads(source)
            status = self._judge(document)
            if status in (200, 201):
                self.documents[target["_index"], target.get("_id", f"auto-{len(self.documents)}")] = document
            answers.append((status, "" if status < 300 else "refused"))
        return answers


class RealCluster:
    """A running engine."""

    def __init__(self, url: str) -> None:
        self._url, self._http = url, urllib3.PoolManager(retries=False, timeout=30)

    def bulk(self, body: bytes) -> list[tuple[int, str]]:
        try:
            answer = self._http.request(
                "POST", f"{self._url}/_bulk", body=body, headers={"Content-Type": "application/x-ndjson"}
            )
        except urllib3.exceptions.HTTPError as error:
            raise ClusterAway(str(error)) from error
        if answer.status != 200:
            raise ClusterAway(f"{answer.status}: {answer.data[:500]!r}")
        items = [item["index"] for item in answer.json()["items"]]
        return [(item["status"], json.dumps(item.get("error", ""))) for item in items]


class OpenSearchDestination:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_AmazonopensearchserviceDestinationConfiguration.html."""

    def __init__(
        self,
        cluster: Cluster,
        index: str,
        *,
        rotation: Rotation = "OneDay",
        own_ids: bool = True,
        megabytes: float = 5,
        seconds: float = 300,
        retry_seconds: float = 300,
        seed: int = 1,
    ) -> None:
        within("SizeInMBs", megabytes, limits.OPENSEARCH_MEGABYTES)
        within("IntervalInSeconds", seconds, limits.DESTINATION_SECONDS)
        within("DurationInSeconds", retry_seconds, limits.RETRY_SECONDS)
        within("characters of IndexName", len(index), (1, 80))
        self._cluster, self._index, self._rotation, self._own_ids = cluster, index, rotation, own_ids
        self._bytes, self._seconds, self._retry_seconds = megabytes * limits.MEGABYTE, seconds, retry_seconds
        self._pick = random.Random(seed)
        self._deliveries: list[Delivery] = []
        self.delivered = 0

    def start(self, around: Surroundings) -> None:
        self._around = around
        self._buffer = Buffer(max_bytes=self._bytes, seconds=self._seconds, now=around.clock.monotonic)

    def add(self, record: Record) -> None:
        if problem := not_one_document(record.data):
            self._give_up(record, Failure(code="400", message=problem))
        else:
            self._buffer.add(record)

    def due(self) -> float | None:
        moments = [self._buffer.due(), *(delivery.at for delivery in self._deliveries)]
        return min((moment for moment in moments if moment is not None), default=None)

    def step(self) -> None:
        now = self._around.clock.monotonic()
        moment = self._buffer.due()
        if moment is not None and moment <= now:
            self._deliveries.append(Delivery(self._buffer.take(), now))
        delivery = min(self._deliveries, key=lambda one: one.at)
        self._deliveries.remove(delivery)
        delivery.attempts += 1
        try:
            answers = self._cluster.bulk(b"".join(self._action(record) for record in delivery.records))
        except ClusterAway as error:
            answers = [(503, str(error))] * len(delivery.records)
        self._settle(delivery, answers)

    def _settle(self, delivery: Delivery, answers: Sequence[tuple[int, str]]) -> None:
        undecided = []
        for record, (status, error) in zip(delivery.records, answers, strict=True):
            if status in (200, 201):
                self.delivered += 1
            elif status in _AGAIN:
                undecided.append((record, Failure(code=str(status), message=error, attempts=delivery.attempts)))
            else:
                self._give_up(record, Failure(code=str(status), message=error, attempts=delivery.attempts))
        if not undecided:
            return
        delivery.records = [record for record, _ in undecided]
        if delivery.again(self._around.clock.monotonic(), self._retry_seconds, self._pick):
            self._deliveries.append(delivery)
        else:
            for record, failure in undecided:
                self._give_up(record, failure)

    def _give_up(self, record: Record, failure: Failure) -> None:
        more = {"esDocumentId": f"{record.record_id}.0", "esIndexName": self._name(record), "esTypeName": ""}
        self._around.failed(FAILED, record, failure, more)

    def _action(self, record: Record) -> bytes:
        target = {"_index": self._name(record)}
        if self._own_ids:
            target["_id"] = f"{record.record_id}.0"
        return json.dumps({"index": target}).encode() + b"\n" + record.data.rstrip(b"\n") + b"\n"

    def _name(self, record: Record) -> str:
        """Return the index: its name and a part of the arrival time."""
        moment = datetime.fromtimestamp(record.arrival_ms / 1000, UTC)
        return self._index + moment.strftime(_ROTATIONS[self._rotation])


def not_one_document(data: bytes) -> str:
    """Return why a record is not what AWS asks for: UTF-8, flattened to a single-line JSON object; or nothing.

    One newline at its end is let pass (*assumed*).
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "the record is not UTF-8"
    if "\n" in text.removesuffix("\n"):
        return "the record is not a single line"
    try:
        document = json.loads(text)
    except ValueError:
        return "the record is not JSON"
    return "" if isinstance(document, dict) else "the record is not a JSON object"
