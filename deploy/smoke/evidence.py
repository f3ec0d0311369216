"""What came out of it, read where it lies: files in S3, records in Kinesis, documents in a search engine."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy.smoke.account import Account, pages
from vpcflow.codec import Decoder
from vpcflow.codec.origins import kinesis_origin
from vpcflow.demo.proof import Found, aggregations, found
from vpcflow.errors import VpcFlowError
from vpcflow.generate.manifest import FINGERPRINT_BITS, Manifest, Sums, fingerprint
from vpcflow.settings.model import Settings
from vpcflow.wiring import sink, template

__all__ = ["Delivered", "Streamed", "Target", "objects"]


def objects(account: Account, bucket: str, prefix: str) -> Iterator[tuple[Mapping[str, Any], bytes]]:
    """Yield what S3 lists of each object below a prefix, and its bytes, unpacked where they are gzip."""
    names = ("NextContinuationToken", "ContinuationToken")
    for page in pages(account, "s3", "ListObjectsV2", names, Bucket=bucket, Prefix=prefix):
        for row in page.get("Contents", []):
            body = account.call("s3", "GetObject", Bucket=bucket, Key=row["Key"])["Body"].read()
            yield row, gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


@dataclass(slots=True)
class Delivered:
    """What Firehose delivered: documents by id, and what was kept aside. twice: lines that came with an id seen before."""

    documents: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    twice: int = 0
    dead_lines: list[str] = field(default_factory=list)
    errors: list[Mapping[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, account: Account, bucket: str) -> Delivered:
        """Read all of it."""
        made = cls()
        for _, body in objects(account, bucket, "documents/"):
            lines = body.splitlines()
            for action, document in zip(lines[::2], lines[1::2], strict=True):
                name = json.loads(action)["create"]["_id"]
                made.twice += name in made.documents
                made.documents[name] = json.loads(document)
        for _, body in objects(account, bucket, "dead-letters/"):
            made.dead_lines += [json.loads(line)["raw"] for line in body.splitlines()]
        for _, body in objects(account, bucket, "errors/"):
            made.errors += [json.loads(line) for line in body.splitlines()]
        return made

    def found(self) -> Found:
        """Return it as the proof wants it: worked out here, from the documents alone."""
        sums: dict[tuple[str, str], Sums] = {}
        for document in self.documents.values():
            flow = document["aws"]["vpcflow"]
            if flow.get("action") in (None, "-"):
                continue
            one = sums.setdefault((flow["interface_id"], flow["action"]), Sums())
            one.flows += 1
            one.packets += document["network"]["packets"]
            one.bytes += document["network"]["bytes"]
        return Found(documents=len(self.documents), sums=sums, rejected_ports={}, rejected_sources={})


@dataclass(slots=True)
class Streamed:
    """What CloudWatch Logs put into the stream, read without our codec; and the ids that our codec gives it.

    lines: by the id of the log event.
    """

    lines: dict[str, str] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    control: int = 0
    strange: int = 0
    _iterators: dict[str, str] | None = None
    _decoder: Decoder = field(default_factory=Decoder)

    def read_on(self, account: Account, stream: str) -> None:
        """Read what is there by now."""
        if self._iterators is None:
            shards = account.call("kinesis", "ListShards", StreamName=stream).get("Shards", [])
            self._iterators = {shard["ShardId"]: self._begin(account, stream, shard["ShardId"]) for shard in shards}
        for shard, at in self._iterators.items():
            answer = account.call("kinesis", "GetRecords", ShardIterator=at, Limit=1000)
            for record in answer["Records"]:
                self._take(stream, shard, record)
            self._iterators[shard] = answer.get("NextShardIterator") or at

    @staticmethod
    def _begin(account: Account, stream: str, shard: str) -> str:
        kind = "TRIM_HORIZON"
        answer = account.call("kinesis", "GetShardIterator", StreamName=stream, ShardId=shard, ShardIteratorType=kind)
        return str(answer["ShardIterator"])

    def _take(self, stream: str, shard: str, record: Mapping[str, Any]) -> None:
        try:
            payload = json.loads(gzip.decompress(record["Data"]))
            kind, events = payload["messageType"], payload["logEvents"]
        except (OSError, EOFError, ValueError, KeyError, TypeError):
            self.strange += 1
            return
        if kind != "DATA_MESSAGE":
            self.control += 1
            return
        self.lines |= {event["id"]: event["message"] for event in events}
        origin = kinesis_origin(stream=stream, shard=shard, sequence=record["SequenceNumber"], subsequence=0)
        for chunk in self._decoder.decode(record["Data"], origin):
            for action in chunk.body.splitlines()[::2]:
                self.ids.add(json.loads(action)["create"]["_id"])

    def fingerprint(self, broken: list[str]) -> int:
        """Return the fingerprint of the lines that can be decoded."""
        known = set(broken)
        return sum(fingerprint(line) for line in self.lines.values() if line not in known) % (1 << FINGERPRINT_BITS)


class Target:
    """Documents of one bucket's objects in a search engine."""

    def __init__(self, settings: Settings, bucket: str) -> None:
        """Ask nothing yet. settings: of the engine, and of the data stream, which is the run's own."""
        self._settings, self._engine = settings, sink(settings)
        self._index, self._bucket, self._template = settings.index.name, bucket, ""

    def prepare(self) -> None:
        """Put the index template of the data stream. Raises SinkUnavailable, SinkRefused."""
        self._template, body = template(self._settings, self._engine)
        self._engine.ensure_template(self._template, body)

    def found(self) -> Found:
        """Return all that the proof needs."""
        self._engine.refresh(self._index)
        query = {"query": {"term": {"aws.s3.bucket.name": self._bucket}}}
        return found(self._engine.search(self._index, {**aggregations(""), **query}))

    def is_whole(self, manifest: Manifest) -> bool:
        """Return whether as many are there as were planted; not before the index is."""
        if not self._engine.request("HEAD", f"/{self._index}").ok:
            return False
        return self.found().documents >= manifest.documents

    def remove(self) -> list[str]:
        """Delete data stream and template, also those of an earlier process; return what is left, with the reason."""
        try:
            name = self._template or template(self._settings, self._engine)[0]
        except VpcFlowError as error:
            return [f"data stream {self._index} and its index template: {error}"]
        paths = {
            f"data stream {self._index}": f"/_data_stream/{self._index}",
            f"index template {name}": f"/_index_template/{name}",
        }
        left = []
        for what, path in paths.items():
            try:
                reply = self._engine.request("DELETE", path)
                if not reply.ok and reply.status != 404:  # noqa: PLR2004
                    left.append(f"{what}: HTTP {reply.status}")
            except VpcFlowError as error:
                left.append(f"{what}: {error}")
        return left
