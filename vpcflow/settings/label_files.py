"""Label files: CSV with a key (interface, address or CIDR) and its name in each line, on this machine or in S3.

Read where decoders are made, once for each; the same content gives the same `Labels`, so that it is in memory once.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator

from vpcflow.codec.labels import Labels
from vpcflow.errors import ConfigError
from vpcflow.settings.model import Settings
from vpcflow.settings.stored import read_stored

__all__ = ["HEADER", "MAX_NAME", "read_labels"]

HEADER = ("key", "name")
MAX_NAME = 1024  # a longer keyword would not be indexed
_BYTES = 512  # of an entry, on average; and so many for comments at least:
_LEAST_BYTES = 1_000_000
_COLUMNS = 2
_KEPT = 8
_made: dict[bytes, Labels] = {}


def read_labels(settings: Settings) -> Labels | None:
    """Return the names of all files of `labels.files`; of a key in several files that of the last. None without files.

    Raises:
        ConfigError: a file that cannot be read, a line that is none, with the file and the number of the line.
    """
    names, limit = settings.labels.files, settings.labels.max_entries
    if not names:
        return None
    contents = [_content(name, number, settings, limit) for number, name in enumerate(names)]
    digest = hashlib.sha256(b"".join([hashlib.sha256(content).digest() for content in contents])).digest()
    digest += b"%d" % limit
    labels = _made.get(digest)
    if labels is None:
        entries: dict[str, str] = {}
        for number, (name, content) in enumerate(zip(names, contents, strict=True)):
            entries.update(_entries(f"labels.files[{number}]: {name}", content, limit, len(entries)))
        if len(_made) >= _KEPT:
            _made.clear()
        labels = _made[digest] = Labels(entries.items())
    return labels


def _content(name: str, number: int, settings: Settings, limit: int) -> bytes:
    most = max(_LEAST_BYTES, limit * _BYTES)
    where = f"labels.files[{number}]: {name}"
    objects = settings.objects
    content = read_stored(
        name,
        most,
        where=where,
        advice="give a CSV file of keys and names",
        hint="labels.files",
        region=objects.region,
        endpoint=objects.s3_endpoint,
    )
    if len(content) > most:
        raise ConfigError(f"{where}: over {most:,} bytes, {_BYTES} for each entry; raise labels.max_entries")
    return content


def _entries(where: str, content: bytes, limit: int, before: int) -> dict[str, str]:
    """Return the entries of a file; `before`: how many those before it had."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{where}, line {line}: no UTF-8 text") from error
    entries: dict[str, str] = {}
    for line, key, name in _rows(where, text):
        try:
            Labels.check(key)
        except ValueError as error:
            raise ConfigError(f"{where}, line {line}: {error}") from None
        if entries.setdefault(key, name) != name:
            raise ConfigError(f"{where}, line {line}: {key} has another name in a line before; keep one of them")
        if before + len(entries) > limit:
            raise ConfigError(f"{where}, line {line}: more than {limit:,} entries in all; raise labels.max_entries")
    return entries


def _rows(where: str, text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number of the line, its key and its name."""
    lines = io.StringIO(text, newline="")
    reader = csv.reader(_uncommented(lines), strict=True, skipinitialspace=True)
    first = True
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ConfigError(f"{where}, line {reader.line_num}: no CSV: {error}") from error
        if not row:
            continue
        cells = [cell.strip() for cell in row]
        is_header = first and tuple(cell.lower() for cell in cells) == HEADER
        first = False
        if is_header:
            continue
        if len(cells) != _COLUMNS:
            count = f"{len(cells)} column{'' if len(cells) == 1 else 's'}"
            raise ConfigError(f"{where}, line {reader.line_num}: {count} where a key and a name should be")
        key, name = cells
        if not name or len(name) > MAX_NAME:
            what = "an empty name" if not name else f"a name of more than {MAX_NAME} characters"
            raise ConfigError(f"{where}, line {reader.line_num}: {what}")
        yield reader.line_num, key, name


def _uncommented(lines: io.StringIO) -> Iterator[str]:
    """Yield the lines; comments as empty ones, so that the numbers stay right."""
    for line in lines:
        yield "\n" if line.lstrip().startswith("#") or not line.strip() else line
