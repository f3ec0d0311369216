"""What AWS leaves in S3 when it gives up, or keeps until it is sent, read as dead letters. Nothing is changed there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from vpcflow.codec.formats import is_header
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.objects.keys import facts
from vpcflow.replay.blobs import DAMAGED, Blob, blobs, numbered_lines
from vpcflow.replay.firehose import RAW_FOLDER, firehose_letters, is_firehose, raw_letter
from vpcflow.replay.invocations import Rereads, invocation_letters, is_invocation
from vpcflow.replay.ready import ReadyShelf, holds_ready, ready_shelves

__all__ = ["SourceShelf", "SourceShelves"]

_ADD_FROM = "are not read here: for those of a bucket add --from DATE"
_FLOW_LOG = "looks like a flow log: for those of a bucket add --from DATE"


class SourceShelf:
    """One file or object."""

    def __init__(self, blob: Blob, *, arn: str, max_bytes: int, reread: Rereads) -> None:
        """Keep the parts; nothing is opened."""
        self._blob = blob
        self._arn = arn
        self._max_bytes = max_bytes
        self._reread = reread
        self.where = blob.name

    def letters(self) -> Iterator[tuple[int, DeadLetter | Unreadable]]:
        """Yield each thing that failed."""
        if f"{RAW_FOLDER}/" in self.where and not self._holds_errors():
            yield 0, self._whole()
            return
        yield from enumerate(self._found())

    def settle(self, changes: Mapping[int, Sequence[DeadLetter]]) -> None:
        """Change nothing: what lies there is not ours."""

    def _found(self) -> Iterator[DeadLetter | Unreadable]:
        try:
            with self._blob.opened() as file:
                for number, line in numbered_lines(file, self._max_bytes):
                    if number == 1 and line is not None and is_header(line.decode("utf-8", "replace").strip()):
                        yield Unreadable(self.where, _FLOW_LOG)
                        return
                    yield from self._line(f"{self.where}:{number}", line)
        except DAMAGED as error:
            yield Unreadable(self.where, f"cannot be read to its end: {error}")

    def _line(self, where: str, line: bytes | None) -> Iterator[DeadLetter | Unreadable]:
        if line is None:
            yield Unreadable(where, f"over limits.max_inflated_bytes ({self._max_bytes}); raise it")
            return
        try:
            for value in _values(line.decode()):
                yield from self._value(value, where)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            yield Unreadable(where, f"not what Firehose or Lambda leave: {type(error).__name__}: {error}")

    def _value(self, value: object, where: str) -> Iterator[DeadLetter | Unreadable]:
        if isinstance(value, dict) and is_firehose(value):
            yield from firehose_letters(value, self.where, arn=self._arn)
        elif isinstance(value, dict) and is_invocation(value):
            yield from invocation_letters(value, where, self._reread)
        elif isinstance(value, dict) and "format_version" in value:
            yield Unreadable(where, "a dead letter of ours; use `vpcflow deadletters replay` for these")
        else:
            yield Unreadable(where, "no error record of Firehose, no invocation record of Lambda, no document of ours")

    def _holds_errors(self) -> bool:
        """Return whether the object holds JSON with `rawData`, and not the records themselves."""
        try:
            with self._blob.opened() as file:
                line = file.readline(self._max_bytes)
            return any(isinstance(value, dict) and is_firehose(value) for value in _values(line.decode()))
        except (*DAMAGED, ValueError, RecursionError):
            return False

    def _whole(self) -> DeadLetter | Unreadable:
        with self._blob.raw() as file:
            data = file.read(self._max_bytes + 1)
        if len(data) > self._max_bytes:
            return Unreadable(self.where, f"over limits.max_inflated_bytes ({self._max_bytes}); raise it")
        return raw_letter(data, self.where, arn=self._arn)


class _FlowLogs:
    """The objects of a source that are flow logs by their names: one thing to be said, and nothing to be read."""

    def __init__(self, source: str, count: int) -> None:
        self.where = source
        self._count = count

    def letters(self) -> Iterator[tuple[int, DeadLetter | Unreadable]]:
        """Yield what is to be said."""
        these = "1 object looks" if self._count == 1 else f"{self._count:,} objects look"
        yield 0, Unreadable(self.where, f"{these} like flow logs, and {_ADD_FROM}")

    def settle(self, changes: Mapping[int, Sequence[DeadLetter]]) -> None:
        """Change nothing."""


class SourceShelves:
    """Everything below some sources."""

    def __init__(
        self, sources: Sequence[str], *, s3: Callable[[], Any], arn: str, max_bytes: int, reread: Rereads
    ) -> None:
        """Keep the parts; nothing is opened.

        Args:
            sources: `s3://bucket/prefix`, files, folders.
            s3: makes a client.
            arn: of the delivery stream that the errors are of; '' if nobody knows.
            max_bytes: of a line, or of an object that is one record.
            reread: reads a part of a Kinesis stream once more.
        """
        self._sources = sources
        self._s3 = s3
        self._arn = arn
        self._max_bytes = max_bytes
        self._reread = reread

    def shelves(self) -> Iterator[SourceShelf | ReadyShelf | _FlowLogs]:
        """Yield one for each file or object; several for one of documents that were not sent yet; one for all flow logs."""
        for source in self._sources:
            flow_logs = 0
            for blob in blobs(source, self._s3):
                if facts(blob.name).flow_log:
                    flow_logs += 1
                elif holds_ready(blob, self._max_bytes):
                    yield from ready_shelves(blob, arn=self._arn, max_bytes=self._max_bytes)
                else:
                    yield SourceShelf(blob, arn=self._arn, max_bytes=self._max_bytes, reread=self._reread)
            if flow_logs:
                yield _FlowLogs(source, flow_logs)

    def close(self) -> None:
        """Do nothing: nothing is held."""


def _values(text: str) -> Iterator[object]:
    """Yield the JSON values of a line, one after the other. Raises ValueError at what is none."""
    decoder, at, text = json.JSONDecoder(), 0, text.strip()
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        yield value
        while at < len(text) and text[at].isspace():
            at += 1
