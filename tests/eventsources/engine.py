"""A search engine in this process: MemorySink behind HTTP, which can be away, and can stop a function in the midst of a flush.

It answers what our sink and `vpcflow replay` ask of OpenSearch; the flows through a real one are marked `stack`.
"""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from urllib.parse import urlsplit

from tests.firehose.flows import heap, originals
from tests.quiet_http import QuietRequests, QuietServer, running
from vpcflow.generate.manifest import Manifest
from vpcflow.sink.memory import MemorySink
from vpcflow.types import Bulk, Outcome

_ROOT = {"version": {"number": "3.6.0", "distribution": "opensearch"}}
_STATUS = {Outcome.CREATED: 201, Outcome.DUPLICATE: 409, Outcome.REJECTED: 400}

Hook = Callable[[str], None]


class MemoryEngine(QuietServer):
    """`away`: connections are cut. `hook`: told of each step of a bulk: "before", "half" (some of it is applied), "after".

    A hook may raise HangUp: what was applied stays, and nobody hears of it. `duplicates`: how often it said 409.
    """

    def __init__(self) -> None:
        super().__init__(_Requests)
        self.index = f"logs-aws.vpcflow-{uuid.uuid4().hex[:8]}"
        self.sink = MemorySink(target=self.index)
        self.away = False
        self.hook: Hook = lambda _step: None
        self.bulks = self.duplicates = 0
        self.refused: list[str] = []

    @property
    def environ(self) -> dict[str, str]:
        """Return settings of programs that write to it."""
        return {
            "VPCFLOW_ELASTICSEARCH__HOSTS": self.url,
            "VPCFLOW_INDEX__NAME": self.index,
            "VPCFLOW_DOCUMENT__EVENT_ORIGINAL": "true",
            "VPCFLOW_LOGS__LEVEL": "error",
        }

    def documents(self) -> list[dict[str, Any]]:
        return list(self.sink.documents.values())

    def lines(self) -> list[str]:
        """Return the lines that came, in the order in which they did."""
        return originals(self.documents())

    def prove(self, manifest: Manifest) -> None:
        """Fail unless each planted event is there, once."""
        lines = self.lines()
        assert len(lines) == manifest.documents
        assert heap(lines) == manifest.fingerprint


class HangUp(Exception):
    """The connection is cut without an answer."""


def engine() -> AbstractContextManager[MemoryEngine]:
    """Serve one while the block runs."""
    return running(MemoryEngine())


class _Requests(QuietRequests):
    server: MemoryEngine

    def _reply(self) -> None:
        body = self.body()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        try:
            value = self._value(urlsplit(self.path).path, body)
        except HangUp:
            self.hang_up()
            return
        self.say(200 if value is not None else 404, value if value is not None else {"error": "no such thing"})

    def __getattr__(self, name: str) -> object:
        """Answer every method alike: the base class looks for `do_GET` and so on."""
        if name.startswith("do_"):
            return self._reply
        raise AttributeError(name)

    def _value(self, path: str, body: bytes) -> Any:  # noqa: ANN401 - JSON
        if self.server.away:
            raise HangUp
        if path.endswith("/_bulk"):
            return self._bulk(body)
        if path.endswith("/_search"):
            return self._search(json.loads(body or b"{}"))
        if path == "/":
            return _ROOT
        if path.endswith("/_refresh"):
            return {}
        if path.startswith(f"/{self.server.index}"):
            return {f".ds-{self.server.index}-000001": {"data_stream": self.server.index}}
        self.server.refused.append(f"{self.command} {path}")
        return None

    def _bulk(self, body: bytes) -> dict[str, Any]:
        server = self.server
        server.bulks += 1
        server.hook("before")
        items = Bulk(body, len(body.splitlines()) // 2).items()
        middle = len(items) // 2
        outcomes = [*server.sink.write(Bulk(b"".join(items[:middle]), middle)).outcomes] if middle else []
        server.hook("half")
        outcomes += server.sink.write(Bulk(b"".join(items[middle:]), len(items) - middle)).outcomes
        server.hook("after")
        server.duplicates += outcomes.count(Outcome.DUPLICATE)
        rows = [{"create": _row(outcome)} for outcome in outcomes]
        return {"errors": any(row["create"]["status"] != 201 for row in rows), "items": rows}

    def _search(self, query: dict[str, Any]) -> dict[str, Any]:
        wanted = query.get("query", {}).get("ids", {}).get("values", [])
        hits = [{"_id": name, "_index": index} for index, name in self.server.sink.documents if name in set(wanted)]
        return {
            "timed_out": False,
            "_shards": {"failed": 0},
            "hits": {"total": {"value": len(hits), "relation": "eq"}, "hits": hits},
        }


def _row(outcome: Outcome) -> dict[str, Any]:
    status = _STATUS[outcome]
    if status == 201:
        return {"status": status}
    kind = "version_conflict_engine_exception" if status == 409 else "document_parsing_exception"
    return {"status": status, "error": {"type": kind, "reason": "as MemorySink has it"}}
