"""Which documents a data stream has, whichever of its backing indices they are in.

In a data stream an `_id` is unique in one backing index only: after a rollover, `create` makes the same document again.
https://www.elastic.co/docs/reference/query-languages/query-dsl/query-dsl-ids-query
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from vpcflow.errors import SinkUnavailable

__all__ = ["ExistingIds", "Searches"]

_CHUNK = 1000
_WINDOW = 10_000  # index.max_result_window


class Searches(Protocol):
    """The part of `vpcflow.sink.engine.EngineSink` that is used here."""

    where: str

    def search(self, target: str, body: Mapping[str, object]) -> Mapping[str, Any]:
        """Run a search; a missing target gives no hits."""
        ...

    def refresh(self, target: str) -> None:
        """Make what was written searchable."""
        ...


class ExistingIds:
    """Asks for ids, a thousand at a time."""

    def __init__(
        self, engine: Searches, target: str, *, patiently: Callable[[Callable[[], set[str]]], set[str]]
    ) -> None:
        """Keep the parts.

        Args:
            engine: who is asked.
            target: the data stream.
            patiently: calls what it is given until it does not raise SinkUnavailable, or gives up.
        """
        self._engine = engine
        self._target = target
        self._patiently = patiently

    def among(self, ids: Sequence[str]) -> set[str]:
        """Return those that are there now: what was written up to this moment is seen.

        Raises:
            SinkUnavailable: the engine stayed away.
            SinkRefused: the credentials may not read.
        """
        chunks = [ids[at : at + _CHUNK] for at in range(0, len(ids), _CHUNK)]
        found: set[str] = set()
        for number, chunk in enumerate(chunks):
            found |= self._patiently(lambda chunk=chunk, first=number == 0: self._ask(chunk, refresh=first))  # type: ignore[misc]
        return found

    def _ask(self, ids: Sequence[str], *, refresh: bool) -> set[str]:
        if refresh:
            self._engine.refresh(self._target)
        found: set[str] = set()
        left = [*ids]
        while left:
            # An id may be there once in each backing index: ask until the hits are all that there are.
            body = {"query": {"ids": {"values": left}}, "size": _WINDOW, "_source": False, "track_total_hits": True}
            reply = self._engine.search(self._target, body)
            if reply.get("timed_out") or reply.get("_shards", {}).get("failed"):
                raise SinkUnavailable(f"{self._engine.where}: not all shards say which documents they have")
            hits = reply["hits"]["hits"]
            found.update(hit["_id"] for hit in hits)
            if reply["hits"]["total"]["value"] <= len(hits):
                return found
            left = [one for one in left if one not in found]
        return found
