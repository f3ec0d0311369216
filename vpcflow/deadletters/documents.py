"""Dead letters as documents of an index of their own. The `_id` is the letter's: what comes again is there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

import orjson

from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import DeadLetterError, SinkError, SinkUnavailable
from vpcflow.types import Answer, Answered, Bulk, Outcome

__all__ = ["MAPPING", "Asks", "DocumentDeadLetters", "DocumentShelf", "DocumentShelves"]

_PAGE = 500
_BULK_BYTES = 1_000_000
_OK = range(200, 300)
_GONE = 404
_KEPT = {Outcome.CREATED, Outcome.DUPLICATE}
# The letter itself is one text, stored and not indexed: its fields are those of any record, with types of all kinds.
MAPPING: Mapping[str, object] = {
    "dynamic": False,
    "properties": {
        "@timestamp": {"type": "date"},
        "id": {"type": "keyword"},
        "reason": {"type": "keyword"},
        "error_type": {"type": "keyword"},
        "source": {"type": "keyword"},
        "message": {"type": "text"},
        "attempts": {"type": "long"},
        "position": {"type": "long"},
    },
}


class Asks(Protocol):
    """The part of `vpcflow.sink.engine.EngineSink` that is used here. No target of its own: actions name the index."""

    where: str

    def write(self, bulk: Bulk) -> Answer:
        """Send one body once; one outcome per action."""
        ...

    def request(self, method: str, path: str, body: object = None) -> Answered:
        """Ask; any status is returned."""
        ...

    def ask(self, method: str, path: str, body: object = None) -> Mapping[str, Any]:
        """Ask; anything but success is raised."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class DocumentDeadLetters:
    """Dead letters in an index."""

    def __init__(self, engine: Asks, index: str, *, patiently: Callable[[Callable[[], None]], None]) -> None:
        """Keep the parts; the index is looked for with the first letter.

        Args:
            engine: where it is.
            index: its name.
            patiently: calls what it is given until it does not raise SinkUnavailable, or gives up.
        """
        self._engine = engine
        self._index = index
        self._patiently = patiently
        self._there = False

    def put(self, *entries: DeadLetter) -> None:
        """Create one document each, see `DeadLetters.put`. A cluster that is away is waited for as for flow logs."""
        try:
            for bulk in self._bulks(entries):
                self._patiently(lambda bulk=bulk: self._write(bulk))  # type: ignore[misc]
        except SinkError as error:
            raise DeadLetterError(f"dead letters: {error}", exit_code=error.exit_code) from error

    def close(self) -> None:
        """Close the connections."""
        self._engine.close()

    def _bulks(self, entries: Sequence[DeadLetter]) -> Iterator[Bulk]:
        items: list[bytes] = []
        size = 0
        for entry in entries:
            action = orjson.dumps({"create": {"_index": self._index, "_id": entry.id}})
            item = b"%b\n%b\n" % (action, orjson.dumps(_document(entry)))
            if items and size + len(item) > _BULK_BYTES:
                yield Bulk(b"".join(items), len(items))
                items, size = [], 0
            items.append(item)
            size += len(item)
        if items:
            yield Bulk(b"".join(items), len(items))

    def _write(self, bulk: Bulk) -> None:
        """Send all of them; those that are there already say so when it is done again."""
        if not self._there:
            make_index(self._engine, self._index)
            self._there = True
        answer = self._engine.write(bulk)
        left = [(at, outcome) for at, outcome in enumerate(answer.outcomes) if outcome not in _KEPT]
        if not left:
            return
        at, outcome = left[0]
        error = answer.errors.get(at)
        words = f"{error.type}: {error.reason}" if error else outcome.value
        if any(outcome is Outcome.RETRYABLE for _, outcome in left):
            raise SinkUnavailable(f"{self._engine.where}: {len(left)} dead letters wait: {words}")
        raise DeadLetterError(
            f"dead letters: {self._index} does not take {len(left)} of them: {words}; "
            "delete the index if it is not ours, or set deadletters.index"
        )


class DocumentShelf:
    """One page of the index."""

    def __init__(self, engine: Asks, index: str, hits: Sequence[Mapping[str, Any]]) -> None:
        """Keep the hits."""
        self._engine = engine
        self._index = index
        self._hits = hits
        self.where = f"{engine.where} index {index}"

    def letters(self) -> Iterator[tuple[int, DeadLetter | Unreadable]]:
        """Yield each document's."""
        for at, hit in enumerate(self._hits):
            try:
                yield at, DeadLetter.from_json(hit["_source"]["letter"].encode())
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                yield at, Unreadable(f"{self.where} document {hit['_id']}", f"not a dead letter: {error}")

    def settle(self, changes: Mapping[int, Sequence[DeadLetter]]) -> None:
        """Write what comes instead, then delete the documents."""
        try:
            for at, letters in changes.items():
                fresh = {letter.id: letter for letter in letters}
                for name, letter in fresh.items():
                    self._engine.ask("PUT", self._path(name), _document(letter))
                if self._hits[at]["_id"] not in fresh:
                    self._delete(self._hits[at]["_id"])
        except SinkError as error:
            raise DeadLetterError(f"dead letters: {error}", exit_code=error.exit_code) from error

    def _delete(self, name: str) -> None:
        status = self._engine.request("DELETE", self._path(name)).status
        if status not in _OK and status != _GONE:
            raise DeadLetterError(f"{self.where}: {name} cannot be deleted ({status}); run the replay again")

    def _path(self, name: str) -> str:
        return f"/{quote(self._index, safe='')}/_doc/{quote(name, safe='')}"


class DocumentShelves:
    """All documents of the index, oldest first, page by page."""

    def __init__(self, engine: Asks, index: str) -> None:
        """Keep the client; nothing is asked."""
        self._engine = engine
        self._index = index

    def shelves(self) -> Iterator[DocumentShelf]:
        """Yield the pages."""
        after: list[object] = []
        path = f"/{quote(self._index, safe='')}"
        try:
            self._engine.ask("POST", f"{path}/_refresh?ignore_unavailable=true")
            while True:
                body = {"size": _PAGE, "sort": [{"@timestamp": "asc"}, {"id": "asc"}]}
                if after:
                    body["search_after"] = after
                reply = self._engine.ask("POST", f"{path}/_search?ignore_unavailable=true", body)
                if reply.get("timed_out") or reply.get("_shards", {}).get("failed"):
                    raise DeadLetterError(
                        f"{self._engine.where}: not all of {self._index} can be read; try again later"
                    )
                hits = reply["hits"]["hits"]
                if not hits:
                    return
                after = hits[-1]["sort"]
                yield DocumentShelf(self._engine, self._index, hits)
        except SinkError as error:
            raise DeadLetterError(f"dead letters: {error}", exit_code=error.exit_code) from error

    def close(self) -> None:
        """Close the connections."""
        self._engine.close()


def make_index(engine: Asks, index: str) -> None:
    """Make the index unless it is there. Raises SinkError."""
    path = f"/{quote(index, safe='')}"
    if engine.request("GET", path).status in _OK:
        return
    reply = engine.request("PUT", path, {"mappings": MAPPING})
    if reply.status not in _OK and "already_exists" not in str(reply.body):
        engine.ask("PUT", path, {"mappings": MAPPING})  # says it in the sink's words


def _document(letter: DeadLetter) -> dict[str, object]:
    moment = datetime.fromtimestamp(letter.first_seen_ms / 1000, UTC)
    return {
        "@timestamp": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "id": letter.id,
        "reason": letter.reason,
        "error_type": letter.error_type,
        "source": _text(letter.source),
        "message": _text(letter.message),
        "attempts": letter.attempts,
        "position": letter.position,
        "letter": letter.to_json().decode().rstrip("\n"),
    }


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
