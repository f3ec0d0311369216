"""Records of Firehose to documents: by the codec, or passed on; with an eye on senders of which most is bad."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

from vpcflow.codec import CodecOptions, Decoder
from vpcflow.errors import DataError
from vpcflow.pipeline.counts import Once, Storm
from vpcflow.receiver.forwarded import Forwarding
from vpcflow.types import Decoded, LinesAt, Origin

__all__ = ["Reader", "Storms"]

_SOURCES = 1_000


class Storms:
    """Judges each sender by its latest lines, over all of its requests. Called by several threads.

    A pipeline does the same for a whole program; but one request is too short to judge by, and one sender must not stop others.
    """

    def __init__(self, *, window: int, fraction: float) -> None:
        """As `vpcflow.pipeline.counts.Storm`."""
        self._window = window
        self._fraction = fraction
        self._lock = threading.Lock()
        self._storms: dict[str, Storm] = {}

    def note(self, source: str, total: int, bad: int) -> str:
        """Take one step of a sender into account; return `N of M` where it is a storm, else nothing."""
        with self._lock:
            if source not in self._storms and len(self._storms) >= _SOURCES:
                self._storms.clear()
            storm = self._storms.setdefault(source, Storm(window=self._window, fraction=self._fraction))
            return storm.note(total, bad)


class Reader:
    """A `vpcflow.pipeline.pipeline.Decodes`. Called by one thread at a time; `storms` and `once` are shared."""

    def __init__(self, options: CodecOptions, storms: Storms, once: Once) -> None:
        """Raises as `vpcflow.codec.Decoder`."""
        self._decoder = Decoder(options)
        self._forwarding = Forwarding(options)
        self._storms = storms
        self._once = once

    def decode(self, data: bytes, origin: Origin, *, at: LinesAt | None = None) -> Iterator[Decoded]:
        """Yield the record in chunks, in input order.

        Raises:
            DataError: most of this sender's latest lines cannot be decoded.
        """
        ours = self._forwarding.recognise(data)
        for chunk in self._forwarding.decode(data) if ours else self._decoder.decode(data, origin, at=at):
            bad = chunk.undecodable
            storm = self._storms.note(origin.name, max(chunk.lines, len(bad)), len(bad))
            if bad and storm:
                raise DataError(
                    f"{origin.name}: {storm} lines cannot be decoded, the last because: {bad[-1].message}; "
                    "check codec.formats before more is set aside"
                )
            # A pipeline lives for one request: what it says once would be said with each.
            news = [notice for notice in chunk.notices if self._once.is_new(origin.name, notice)]
            yield dataclasses.replace(chunk, notices=news) if chunk.notices else chunk
