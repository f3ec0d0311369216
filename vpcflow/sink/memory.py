"""Sinks without a server: one that keeps documents as an engine would, and one that fails by script.

They ship with the package because programs built on it need them too, and pass the tests that the real engines pass.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import orjson

from vpcflow.errors import SinkRefused, SinkUnavailable
from vpcflow.sink.abstract import BodyTooLarge, Sink
from vpcflow.types import Answer, Bulk, ItemError, Outcome

__all__ = ["Fault", "FaultySink", "MemorySink"]

_CONFLICT = "version_conflict_engine_exception"
_PARSING = "document_parsing_exception"


class MemorySink:
    """A data stream (or, with `_index` in the action lines, indices) in a dictionary.

    documents: by (index, id), in the order of their creation.
    bodies: sizes of the bodies that were written.
    """

    def __init__(self, *, target: str = "memory", max_body_bytes: int = 100_000_000) -> None:
        """`target`: index of actions that name none; a body beyond `max_body_bytes` is too large."""
        self.documents: dict[tuple[str, str], dict[str, object]] = {}
        self.bodies: list[int] = []
        self.closed = False
        self._target = target
        self._max_body_bytes = max_body_bytes
        self._names = itertools.count()
        self._lock = threading.Lock()

    def write(self, bulk: Bulk) -> Answer:
        """Keep what is new, see `Sink.write`."""
        with self._lock:
            return self._write(bulk)

    def _write(self, bulk: Bulk) -> Answer:
        if len(bulk.body) > self._max_body_bytes:
            raise BodyTooLarge(f"memory: the body is too large ({len(bulk.body)} bytes)")
        self.bodies.append(len(bulk.body))
        outcomes: list[Outcome] = []
        errors: dict[int, ItemError] = {}
        for position, item in enumerate(bulk.items()):
            error = self._create(*item.splitlines())
            outcomes.append(_outcome(error))
            if error is not None:
                errors[position] = error
        return Answer(outcomes=outcomes, errors=errors)

    def close(self) -> None:
        """Note it."""
        self.closed = True

    def _create(self, action: bytes, document: bytes) -> ItemError | None:
        meta = orjson.loads(action)["create"]
        index = str(meta.get("_index", self._target))
        name = str(meta.get("_id", f"auto-{next(self._names)}"))
        try:
            source = orjson.loads(document)
        except orjson.JSONDecodeError as error:
            return ItemError(status=400, type=_PARSING, reason=f"failed to parse: {error}")
        if not isinstance(source, dict) or "@timestamp" not in source:
            return ItemError(status=400, type=_PARSING, reason="data stream timestamp field [@timestamp] is missing")
        if (index, name) in self.documents:
            return ItemError(status=409, type=_CONFLICT, reason=f"[{name}]: document already exists")
        self.documents[index, name] = source
        return None


def _outcome(error: ItemError | None) -> Outcome:
    if error is None:
        return Outcome.CREATED
    return Outcome.DUPLICATE if error.type == _CONFLICT else Outcome.REJECTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with one write.

    before: raised instead of writing.
    after: raised when all was written: a lost answer.
    items: by position, these are not written and have that outcome (taken by position modulo the number of items).
    """

    before: SinkUnavailable | SinkRefused | BodyTooLarge | None = None
    after: SinkUnavailable | None = None
    items: Mapping[int, Outcome] = field(default_factory=dict)


class FaultySink:
    """Another sink with faults: one entry of the script per write, None for none; after its end all is well."""

    def __init__(self, inner: Sink, script: Iterable[Fault | None]) -> None:
        """Wrap `inner`."""
        self.writes: list[Bulk] = []
        self._inner = inner
        self._script = iter(script)

    def write(self, bulk: Bulk) -> Answer:
        """Do the script's next entry."""
        self.writes.append(bulk)
        fault = next(self._script, None) or Fault()
        if fault.before is not None:
            raise fault.before
        spoiled = {position % bulk.count: outcome for position, outcome in fault.items.items()}
        answer = self._write_others(bulk, spoiled)
        if fault.after is not None:
            raise fault.after
        return answer

    def close(self) -> None:
        """Close the inner one."""
        self._inner.close()

    def _write_others(self, bulk: Bulk, spoiled: Mapping[int, Outcome]) -> Answer:
        if not spoiled:
            return self._inner.write(bulk)
        items = bulk.items()
        kept = [position for position in range(bulk.count) if position not in spoiled]
        inner = Answer(outcomes=())
        if kept:
            inner = self._inner.write(Bulk(b"".join(items[position] for position in kept), len(kept)))
        outcomes = {**spoiled, **dict(zip(kept, inner.outcomes, strict=True))}
        errors = {kept[index]: error for index, error in inner.errors.items()}
        for position in spoiled:
            errors[position] = ItemError(status=0, type="scripted", reason=spoiled[position].value)
        return Answer(outcomes=[outcomes[position] for position in range(bulk.count)], errors=errors)
