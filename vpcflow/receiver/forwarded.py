"""Records that hold documents already: bulk lines of our own transformation Lambda, passed on as they are.

The index is the target's, whatever an action says. Which ids are ours, and which documents are taken: `vpcflow.codec.ready`.
"""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from vpcflow.codec import CodecOptions
from vpcflow.codec.ready import NotReadyError, ReadyItem, checked, is_ready, ready_items
from vpcflow.codec.stamps import StampCache
from vpcflow.types import Decoded, Reason, Undecodable

__all__ = ["Forwarding"]

_ROWS = 512


class Forwarding:
    """Recognises such records, and turns them into chunks. Called by one thread."""

    def __init__(self, options: CodecOptions) -> None:
        """`options`: of the target."""
        self._pattern = options.index_mode == "pattern"
        self._ids = options.ids
        self._stamps = StampCache(options.target if self._pattern else "")

    def recognise(self, data: bytes) -> bool:
        """Return whether the record begins with an action, or with a document."""
        return data.startswith(b"{") and is_ready(data.partition(b"\n")[0])

    def decode(self, data: bytes) -> Iterator[Decoded]:
        """Yield the record in chunks, as `vpcflow.codec.Decoder.decode` does; positions are those of lines."""
        chunk: list[ReadyItem] = []
        for item in ready_items(enumerate(data.split(b"\n"))):
            chunk.append(item)
            if len(chunk) >= _ROWS:
                yield self._chunk(chunk)
                chunk = []
        if chunk:
            yield self._chunk(chunk)

    def _chunk(self, items: list[ReadyItem]) -> Decoded:
        bodies: list[bytes] = []
        good: list[ReadyItem] = []
        bad: list[Undecodable] = []
        for item in items:
            try:
                bodies.append(self._pair(item))
                good.append(item)
            except NotReadyError as error:
                entry = Undecodable(reason=Reason.ENVELOPE, message=str(error), position=item.position, raw=item.raw)
                bad.append(entry)
        return Decoded(
            body=b"".join(bodies),
            count=len(good),
            messages=[item.raw.decode("utf-8", "surrogateescape") for item in good],
            positions=[item.position for item in good],
            undecodable=bad,
            lines=len(items),
        )

    def _pair(self, item: ReadyItem) -> bytes:
        """Return action and document for the bulk."""
        name, stamp = checked(item, self._stamps)
        meta: dict[str, str] = {}
        if self._pattern:
            meta["_index"] = stamp.index_name
        if self._ids:
            meta["_id"] = name
        return orjson.dumps({"create": meta}) + b"\n" + item.document + b"\n"
