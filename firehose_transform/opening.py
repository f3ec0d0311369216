"""Records opened: unpacked once, and read as what they were before they went round."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from firehose_transform.events import Record, Request
from vpcflow.codec import Decoder
from vpcflow.codec.origins import firehose_origin
from vpcflow.codec.parts import looks_marked, opened, read_mark
from vpcflow.types import Decoded, Origin

__all__ = ["MarkedDecoder", "Opened", "is_returned", "open_record"]

_HEAD_CHARACTERS = 88  # base64 of 66 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A record's bytes, and how they are to be decoded. hops: how often it went round; 0: not yet."""

    content: bytes
    origin: Origin
    hops: int
    occurrences: Mapping[str, int]

    def decoded(self, decoder: Decoder) -> Iterator[Decoded]:
        """Yield its chunks."""
        return decoder.decode(self.content, self.origin, occurrences=self.occurrences)


def open_record(record: Record, request: Request, limit: int) -> Opened:
    """Return the record, opened.

    Args:
        record: one of the request's.
        request: tells the delivery stream.
        limit: what the record may expand to, bytes; beyond it stays packed, and the decoder refuses it.

    Raises:
        ValueError: the data is no base64.
    """
    content = opened(base64.b64decode(record.data, validate=True), limit)
    origin = firehose_origin(arn=request.delivery_arn, arrival_ms=record.arrival_ms)
    mark = read_mark(content)
    if mark is None:
        return Opened(content=content, origin=origin, hops=0, occurrences={})
    origin = replace(origin, arrival_ms=mark.arrival_ms)
    return Opened(content=content, origin=origin, hops=mark.hops, occurrences=mark.occurrences)


def is_returned(record: Record) -> bool:
    """Return whether a record looks like one that went round; a hint, read from its first bytes."""
    try:
        return looks_marked(base64.b64decode(record.data[:_HEAD_CHARACTERS]))
    except ValueError:
        return False


class MarkedDecoder:
    """A decoder that heeds marks in what `open_record` gave."""

    def __init__(self, decoder: Decoder) -> None:
        """Keep the decoder."""
        self._decoder = decoder

    def decode(self, data: bytes, origin: Origin) -> Iterator[Decoded]:
        """Yield chunks, see `Decoder.decode`."""
        mark = read_mark(data)
        return self._decoder.decode(data, origin, occurrences=mark.occurrences if mark else None)
