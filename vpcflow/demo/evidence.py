"""What the demo asks the engine: how far it is, and in the end everything that the proof wants to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from vpcflow.demo.proof import Found, aggregations, fingerprint_of, found, of_log_group
from vpcflow.errors import SinkUnavailable
from vpcflow.generate.manifest import FINGERPRINT_BITS
from vpcflow.sink.engine import Reply

__all__ = ["Asks", "Evidence"]

_PAGE = 5_000


class Asks(Protocol):
    """`vpcflow.sink.engine.EngineSink`, as far as it is used here."""

    def request(self, method: str, path: str, body: object = None) -> Reply:
        """Return any answer."""
        ...

    def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Return a good answer."""
        ...

    def search(self, target: str, body: Mapping[str, object]) -> dict[str, object]:
        """Search."""
        ...

    def refresh(self, target: str) -> None:
        """Make what was written searchable."""
        ...


class Evidence:
    """Questions about the documents of one log group. Only asks; nothing is changed, nothing removed."""

    def __init__(self, engine: Asks, target: str, log_group: str) -> None:
        """Note how many documents the engine had refused before this run: on a cluster of one's own, some."""
        self._engine, self.target, self._log_group = engine, target, log_group
        self._refused_before = self._refused()

    def documents(self) -> int | None:
        """Return how many there are by now; None if the engine does not say: shards of a new index take a moment to start."""
        query = {"size": 0, "track_total_hits": True, "query": of_log_group(self._log_group)}
        try:
            self._engine.refresh(self.target)
            reply: Any = self._engine.search(self.target, query)
        except SinkUnavailable:
            return None
        return int(reply["hits"]["total"]["value"])

    def found(self) -> Found:
        """Return all that the proof needs."""
        self._engine.refresh(self.target)
        held = found(self._engine.search(self.target, aggregations(self._log_group)))
        refused, before = self._refused(), self._refused_before
        # A counter that went down belongs to a shard that moved: nothing can be said.
        known = refused is not None and before is not None and refused >= before
        return held.with_evidence(
            fingerprint=sum(map(fingerprint_of, self._pages())) % (1 << FINGERPRINT_BITS),
            refused=(refused or 0) - (before or 0) if known else None,
        )

    def _pages(self) -> Iterator[list[Any]]:
        """Yield all documents, so many at a time, with nothing but their line. Both engines know how to scroll."""
        body = {
            "size": _PAGE,
            "sort": ["_doc"],
            "_source": ["event.original"],
            "query": of_log_group(self._log_group),
        }
        path = f"/{quote(self.target, safe='')}/_search?scroll=1m"
        reply: Any = self._engine.ask("POST", path, body)
        while reply["hits"]["hits"]:
            yield reply["hits"]["hits"]
            again = {"scroll": "1m", "scroll_id": reply["_scroll_id"]}
            reply = self._engine.ask("POST", "/_search/scroll", again)
        self._engine.request("DELETE", "/_search/scroll", {"scroll_id": reply["_scroll_id"]})

    def _refused(self) -> int | None:
        """Return how many documents the target's primaries did not take; None where the credentials may not know."""
        reply = self._engine.request("GET", f"/{quote(self.target, safe='')}/_stats/indexing")
        if reply.status == 404:  # noqa: PLR2004 - no such data stream yet
            return 0
        body: Any = reply.body
        return int(body["_all"]["primaries"]["indexing"]["index_failed"]) if reply.ok else None
