"""What Firehose does to CloudWatch Logs records by itself, before the function sees them.

https://docs.aws.amazon.com/firehose/latest/dev/writing-with-cloudwatch-logs-decompression.html and
https://docs.aws.amazon.com/firehose/latest/dev/Message_extraction.html.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import replace

from tests.firehose.emulator.records import Failure, Record

DECOMPRESSION_FAILED = Failure(code="DecompressionFailed", message="The record could not be decompressed as GZIP.")


class NotCompressed(Exception):
    """The record is none of gzip's."""


def decompressed(record: Record) -> Record:
    """Return the record with its JSON. Raises NotCompressed."""
    try:
        return replace(record, data=gzip.decompress(record.data))
    except (OSError, EOFError, zlib.error) as error:
        raise NotCompressed from error


def extracted(record: Record) -> Record:
    """Return the record with nothing but its messages, a line each: owner, group, stream, ids and times are gone."""
    events = json.loads(record.data)["logEvents"]
    return replace(record, data="".join(f"{event['message']}\n" for event in events).encode())
