"""Flow logs in Parquet: row group by row group, by requests for ranges. Needs pyarrow, the extra `parquet`.

https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html; the format: https://parquet.apache.org/docs/file-format/.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.objects.block import Block, Damage
from vpcflow.objects.ranged import RangedFile
from vpcflow.types import LinesAt, Reason

__all__ = ["blocks", "require"]

_ROWS = 8192
_SHOWN = 300


def require(where: str) -> None:
    """Raise ConfigError where pyarrow is not installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"{where}: Parquet needs pyarrow: pip install 'vpcflow-stream[parquet]', or leave it out: objects.exclude_keys"
        ) from error


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group. first: position of its first row; rows; size: bytes when unpacked; span: where it lies in the file."""

    number: int
    first: int
    rows: int
    size: int
    span: tuple[int, int]

    def damage(self, reason: Reason, message: str, *, done: int = 0) -> Damage:
        return Damage(
            reason=reason,
            message=f"row group {self.number}: {message}",
            position=self.first + done,
            lines=max(1, self.rows - done),
            row_group=self.number,
        )


def blocks(
    file: RangedFile,
    *,
    block_bytes: int = 1_000_000,
    max_line_bytes: int = 65_536,
    max_row_group_bytes: int = 512_000_000,
    from_line: int = 0,
) -> Iterator[Block | Damage]:
    """Yield the rows in order as lines of text. A row group that cannot be read is damage, and the next one follows.

    The first row has the position 1, as it has it below the header of a text file; there is no offset.

    Args:
        file: of which one row group at a time is held, as it is stored.
        block_bytes: of lines, in one block.
        max_line_bytes: of a longer line the beginning is given.
        max_row_group_bytes: of a row group, unpacked; a larger one is damage.
        from_line: position of the first row that is wanted.

    Raises:
        VpcFlowError: what the reader behind `file` raises.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from vpcflow.objects import rows

    try:
        metadata = pq.read_metadata(file)
        schema = metadata.schema.to_arrow_schema()
        names = rows.header(schema.names)
        groups = list(_groups(metadata))
        texts = [field.name for field in schema if any(is_kind(field.type) for is_kind in rows.TEXTS)]
        opened = pq.ParquetFile(
            file, metadata=metadata, read_dictionary=texts, pre_buffer=False, page_checksum_verification=True
        )
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        _behind(file, error)
        yield from _unless_settled(Damage(reason=Reason.PARQUET, message=_line(error), position=0), from_line)
        return
    if not rows.is_flow_log(names):
        message = f"its columns are not those of flow logs: {names[:_SHOWN]}"
        total = sum(group.rows for group in groups)
        yield from _unless_settled(
            Damage(reason=Reason.FORMAT, message=message, position=0, lines=total + 1), from_line
        )
        return
    for group in groups:
        if group.rows == 0 or group.first + group.rows <= from_line:
            continue
        problem = _refused(group, file, max_row_group_bytes)
        if problem is not None:
            yield from _unless_settled(problem, from_line)
            continue
        yield from _group_blocks(opened, file, group, names, block_bytes, max_line_bytes, from_line)


def _group_blocks(
    opened: Any,  # noqa: ANN401 - pyarrow has no types
    file: RangedFile,
    group: _Group,
    names: str,
    block_bytes: int,
    max_line_bytes: int,
    from_line: int,
) -> Iterator[Block | Damage]:
    import pyarrow as pa

    from vpcflow.objects.rows import rendered

    done = 0
    file.fetch(*group.span)
    try:
        for batch in opened.iter_batches(batch_size=_ROWS, row_groups=[group.number], use_threads=False):
            settled = min(max(from_line - group.first - done, 0), batch.num_rows)
            done += settled
            wanted = batch.slice(settled)
            for data, count in rendered(wanted, block_bytes=block_bytes, max_line_bytes=max_line_bytes):
                at = LinesAt(position=group.first + done, header=names)
                done += count
                yield Block(data=data, at=at, lines=count, row_group=group.number)
    except (pa.ArrowException, OSError, ValueError) as error:
        _behind(file, error)
        yield from _unless_settled(group.damage(Reason.PARQUET, _line(error), done=done), from_line)


def _groups(metadata: Any) -> Iterator[_Group]:  # noqa: ANN401
    first = 1
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        starts, ends = [], []
        for at in range(group.num_columns):
            column = group.column(at)
            start = column.data_page_offset
            if column.has_dictionary_page and column.dictionary_page_offset:
                start = min(start, column.dictionary_page_offset)
            starts.append(start)
            ends.append(start + column.total_compressed_size)
        span = (min(starts, default=0), max(ends, default=0))
        yield _Group(number, first, group.num_rows, group.total_byte_size, span)
        first += group.num_rows


def _refused(group: _Group, file: RangedFile, cap: int) -> Damage | None:
    start, end = group.span
    size = max(group.size, end - start)
    if size > cap:
        return group.damage(Reason.TOO_LARGE, f"{size} bytes, over objects.max_row_group_bytes ({cap})")
    if not 0 < start < end <= file.size:
        message = f"said to lie in bytes {start} to {end} of a file of {file.size}"
        return group.damage(Reason.PARQUET, message)
    return None


def _unless_settled(damage: Damage, from_line: int) -> Iterator[Damage]:
    if damage.position + damage.lines > from_line:
        yield damage


def _behind(file: RangedFile, error: Exception) -> None:
    """Raise the error of a request, if that was what the library's error came from."""
    if file.trouble is not None:
        raise file.trouble from error


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__
