"""A record in parts, to be put into the stream once more.

Each part is made as heavy as it must be for this: whatever Firehose gathers into one invocation, its reply has room. Firehose
gathers 3 MiB of records before base64 (BufferSizeInMBs at most; a hint, so a record more is reckoned with), gzip of flow logs
becomes twenty times as much JSON, and a part that came back in company too large would go round and round. So its bytes are
not compressed, and filled up with spaces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from firehose_transform.opening import Opened
from firehose_transform.reading import base64_bytes
from firehose_transform.rules import Rules
from vpcflow.codec import Decoder
from vpcflow.codec.parts import part
from vpcflow.types import Decoded

__all__ = ["MAX_PART_BYTES", "parts"]

# 1,000 KiB a record, before base64: https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
MAX_PART_BYTES = 1_024_000
_ROOMY_BYTES = 900_000  # what a part is made for; the rest is for its frame
_BUFFER_BYTES = 3 * 1024 * 1024 + MAX_PART_BYTES
_ANSWER_BYTES = 256  # recordId, result and partition keys beside the data
_EVENT_BYTES = 160  # id, timestamp and punctuation of an event beside its message


def parts(opened: Opened, decoder: Decoder, rules: Rules) -> Iterator[bytes]:
    """Yield parts that hold all documents of a record, in its order; one document each in the mode `document`."""
    factor = min(1.0, _BUFFER_BYTES / rules.max_reply_bytes)  # not over 1: `Firehose.max_reply_bytes` has a floor
    for chunk in opened.decoded(decoder):
        if not chunk.count:
            continue
        for places, size in _groups(chunk, rules, factor):
            weight = math.ceil((base64_bytes(size) + _ANSWER_BYTES) * factor)
            yield part(
                chunk,
                places,
                hops=opened.hops + 1,
                arrival_ms=opened.first_arrival_ms,
                weight=min(weight, _ROOMY_BYTES),
            )


def _groups(chunk: Decoded, rules: Rules, factor: float) -> Iterator[tuple[Sequence[int], int]]:
    """Yield runs of documents of a chunk that a part has room for, with the bytes of what they give."""
    lines = chunk.body.split(b"\n")
    first, size, weight = 0, 0, 0
    for place in range(chunk.count):
        document = len(lines[2 * place + 1]) + 1
        gives = document + len(lines[2 * place]) + 1 if rules.mode == "bulk" else document
        takes = max(math.ceil(base64_bytes(gives) * factor), _json_bytes(chunk.messages[place]) + _EVENT_BYTES)
        if place > first and (rules.mode == "document" or weight + takes > _ROOMY_BYTES):
            yield range(first, place), size
            first, size, weight = place, 0, 0
        size += gives
        weight += takes
    yield range(first, chunk.count), size


def _json_bytes(message: str) -> int:
    """Return what a message may take as JSON: six bytes for a character, or twelve for one beyond the first plane."""
    return len(message) * (6 if message.isascii() else 12)
