"""A search engine that is a dictionary behind HTTP: answers as a data stream's bulk endpoint does, fails when told to."""

from __future__ import annotations

import contextlib
import gzip
import json
import ssl
import time
from collections.abc import Callable, Iterator

from tests.sink.peers import ELASTIC, Canned, Request, Server, running
from vpcflow.sink.memory import MemorySink
from vpcflow.types import Bulk, Outcome

_STATUS = {Outcome.CREATED: 201, Outcome.DUPLICATE: 409, Outcome.REJECTED: 400}
Fault = Callable[[Request, int], Canned | None]


class MemoryEngine:
    """`fault` may answer a bulk request instead; it gets the request and its number, from 0. With `tls` it speaks https."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.sink = MemorySink()
        self.server = Server(tls)
        self.server.root = Canned(body=b'{"version":{"number":"9.0.0","build_flavor":"default"}}', headers=ELASTIC)
        self.server.judge = self._judge
        self.fault: Fault = lambda _request, _number: None
        self.sent = 0  # actions in the bodies that were answered

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def ids(self) -> list[str]:
        return [name for _, name in self.sink.documents]

    @property
    def documents(self) -> list[dict[str, object]]:
        return list(self.sink.documents.values())

    def pause(self, seconds: float) -> None:
        """Let a request wait."""
        time.sleep(seconds)

    def away(self, status: int = 503) -> Canned:
        """Return what a cluster says that takes nothing now."""
        return Canned(
            status=status, body=b'{"error":{"type":"cluster_block_exception","reason":"scripted"}}', headers=ELASTIC
        )

    def _judge(self, request: Request) -> Canned | None:
        if "/_bulk" not in request.path:
            return None
        told = self.fault(request, len(self.server.bulks) - 1)
        if told is not None:
            return told
        body = gzip.decompress(request.body) if request.headers.get("content-encoding") == "gzip" else request.body
        count = body.count(b"\n") // 2
        self.sent += count
        answer = self.sink.write(Bulk(body, count))
        items = []
        for at, outcome in enumerate(answer.outcomes):
            item: dict[str, object] = {"status": _STATUS[outcome]}
            if at in answer.errors:
                item["error"] = {"type": answer.errors[at].type, "reason": answer.errors[at].reason}
            items.append({"create": item})
        errors = any(outcome is not Outcome.CREATED for outcome in answer.outcomes)
        return Canned(body=json.dumps({"errors": errors, "items": items}).encode(), headers=ELASTIC)


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[MemoryEngine]:
    engine = MemoryEngine(tls)
    with running(engine.server):
        yield engine


def refuses(status: int, kind: str = "security_exception") -> Fault:
    """Return a fault: each bulk is refused as a whole."""
    body = json.dumps({"error": {"type": kind, "reason": "scripted"}, "status": status}).encode()
    return lambda _request, _number: Canned(status=status, body=body, headers=ELASTIC)
