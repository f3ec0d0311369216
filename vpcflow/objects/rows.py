"""Rows of a Parquet file as flow-log lines, column by column.

Types that AWS writes: https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html; others come from those who
convert files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from vpcflow.codec.fields import field_named
from vpcflow.objects.block import over_long

__all__ = ["TEXTS", "header", "is_flow_log", "rendered"]

TEXTS = (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)

_ABSENT = b"-"
_KNOWN = 3
_NAME = re.compile("[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
# What would end a column or a line, or make a line something else; also what `str.split` takes for a space.
_UNFIT = r"[\pZ\pC\s]|^\{"
_OVER = 8
_DAY_SECONDS = 86_400


def header(names: Sequence[str]) -> str:
    """Return the header line that a file's columns make; names that no header can have are written as they can."""
    return " ".join(_name(number, name) for number, name in enumerate(names, start=1))


def _name(number: int, name: str) -> str:
    if _NAME.fullmatch(name):
        return name
    plain = re.sub("[^a-z0-9]+", "_", name.lower()).strip("_")
    return plain if _NAME.fullmatch(plain) else f"column_{number}"


def is_flow_log(line: str) -> bool:
    """Return whether a header is one of flow logs: three known names, or nothing but known ones."""
    names = line.split()
    known = sum(field_named(name) is not None for name in names)
    return known >= min(_KNOWN, len(names)) and known > 0


def rendered(batch: pa.RecordBatch, *, block_bytes: int, max_line_bytes: int) -> Iterator[tuple[bytes, int]]:
    """Yield the rows as lines, each with a newline, and how many they are; some `block_bytes` at once.

    A line over `max_line_bytes` may be given as its beginning, too long for a codec of the same cap.
    """
    columns = [_Column(column, max_line_bytes) for column in batch.columns]
    widest = max(1, sum(column.longest + 1 for column in columns))
    step = max(1, block_bytes // widest)
    for start in range(0, batch.num_rows, step):
        count = min(step, batch.num_rows - start)
        cells = [column.cells(start, count) for column in columns]
        lines = pc.binary_join_element_wise(*cells, b" ") if len(cells) > 1 else cells[0]
        data = _joined(pc.binary_join_element_wise(lines, b"", b"\n"))
        if count == 1 and len(data) > max_line_bytes + 1:
            data = over_long(data[: max_line_bytes + _OVER], max_line_bytes) + b"\n"
        yield data, count


class _Column:
    """One column of a batch; `longest` is the size of its longest text.

    Dictionaries stay such until their cells are wanted: a file may repeat a long text more often than memory can.
    """

    def __init__(self, column: pa.Array, cap: int) -> None:
        self._cap = cap
        self._places, self._values = None, column
        if pa.types.is_dictionary(column.type):
            self._places, self._values = column.indices, column.dictionary
        # A dictionary may be that of the whole row group: then the texts of this batch are fewer.
        self._is_fit = self._places is None or len(self._values) <= len(self._places)
        if self._is_fit:
            self._values = _fit(_texts(self._values), cap)
        self.longest = max(len(_ABSENT), self._longest())

    def _longest(self) -> int:
        lengths = pc.binary_length(self._values)
        if not self._is_fit:
            lengths = lengths.take(self._places)
        return pc.max(lengths).as_py() or 0

    def cells(self, start: int, count: int) -> pa.Array:
        values, places = self._values, self._places
        found = values.slice(start, count) if places is None else values.take(places.slice(start, count))
        if not self._is_fit:
            found = _fit(_texts(found), self._cap)
        return pc.fill_null(found, pa.scalar(_ABSENT, pa.binary()))


def _texts(column: pa.Array) -> pa.Array:
    """Return a column as bytes of UTF-8 (or of what it holds instead), null where there is no value."""
    kind = column.type
    if pa.types.is_nested(kind):
        return pa.array([None if one is None else _flat(one).encode() for one in column.to_pylist()], pa.binary())
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("s", kind.tz), safe=False).cast(pa.int64())
    elif pa.types.is_date(kind):
        column = pc.multiply(column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), _DAY_SECONDS)
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        column = _whole(column)
    if not any(is_kind(column.type) for is_kind in TEXTS):
        column = column.cast(pa.string())
    return column.cast(pa.binary())


def _whole(column: pa.Array) -> pa.Array:
    """Return numbers without a fraction as whole ones: a column of whole numbers with gaps becomes floats in many hands."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column


def _fit(texts: pa.Array, cap: int) -> pa.Array:
    """Return texts that each are one column of a line."""
    texts = pc.if_else(pc.equal(pc.binary_length(texts), 0), pa.scalar(None, pa.binary()), texts)
    long = pc.max(pc.binary_length(texts)).as_py() or 0
    if long > cap:
        texts = pa.array([one and one[: cap + _OVER] for one in texts.to_pylist()], pa.binary())
    if pc.any(pc.match_substring_regex(texts, _UNFIT)).as_py():
        texts = pa.array([one and _encoded(one) for one in texts.to_pylist()], pa.binary())
    return texts


def _encoded(raw: bytes) -> bytes:
    """Return a text with what would end a column percent-encoded, as AWS does it with the values of tags."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return b"".join(b"%%%02X" % byte if byte <= 0x20 or byte == 0x7F else bytes([byte]) for byte in raw)  # noqa: PLR2004
    text = text.replace("{", "%7B", 1) if text.startswith("{") else text
    return "".join(one if one.isprintable() and not one.isspace() else _percent(one) for one in text).encode()


def _percent(one: str) -> str:
    return "".join(f"%{byte:02X}" for byte in one.encode())


def _flat(value: object) -> str:
    """Return a list, a map or a struct as one text: `a,b` and `key=value,key=value`."""
    if isinstance(value, Mapping):
        return ",".join(f"{key}={_flat(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ",".join("=".join(map(_flat, one)) if isinstance(one, tuple) else _flat(one) for one in value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)


def _joined(lines: pa.Array) -> bytes:
    """Return all texts of an array one after the other: they lie so in its buffer already."""
    _, offsets, data = lines.buffers()
    if data is None:
        return b""
    ends = memoryview(offsets).cast("i")
    return bytes(memoryview(data)[ends[lines.offset] : ends[lines.offset + len(lines)]])
