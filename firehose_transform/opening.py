"""Records opened: unpacked once, and asked whether they went round."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from firehose_transform.events import Record, Request
from vpcflow.codec import Decoder
from vpcflow.codec.origins import firehose_origin
from vpcflow.codec.parts import looks_marked, opened, read_mark
from vpcflow.types import Decoded, Origin

__all__ = ["Opened", "is_returned", "open_record"]

_HEAD_CHARACTERS = 88  # base64 of 66 bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A record's bytes and origin.

    hops: how often it went round; 0: not yet. first_arrival_ms: when what is in it arrived first.
    """

    content: bytes
    origin: Origin
    hops: int
    first_arrival_ms: int | None

    def decoded(self, decoder: Decoder) -> Iterator[Decoded]:
        """Yield its chunks."""
        return decoder.decode(self.content, self.origin)


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
        return Opened(content=content, origin=origin, hops=0, first_arrival_ms=record.arrival_ms)
    return Opened(content=content, origin=origin, hops=mark.hops, first_arrival_ms=mark.arrival_ms)


def is_returned(record: Record) -> bool:
    """Return whether a record looks like one that went round; a hint, read from its first bytes."""
    try:
        return looks_marked(base64.b64decode(record.data[:_HEAD_CHARACTERS]))
    except ValueError:
        return False
