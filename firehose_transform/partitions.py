"""Keys for dynamic partitioning: what is the same in all documents of a record.

https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-partitioning-keys.html: values are text, and not empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

__all__ = ["partition_keys"]

_DATE, _HOUR = slice(0, 10), slice(11, 13)  # of 2026-11-25T08:30:00.000Z
_ALONE = frozenset(("hour", "action"))  # would split a record's documents too finely to be the same by more than chance


def _text(document: Mapping[str, Any], *path: str) -> str:
    value: Any = document
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


_VALUES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "account": lambda document: _text(document, "cloud", "account", "id"),
    "region": lambda document: _text(document, "cloud", "region"),
    "date": lambda document: _text(document, "@timestamp")[_DATE],
    "hour": lambda document: _text(document, "@timestamp")[_HOUR],
    "action": lambda document: _text(document, "aws", "vpcflow", "action"),
}


def partition_keys(documents: Iterable[bytes], wanted: Sequence[str], region: str) -> dict[str, str]:
    """Return those of the wanted keys that are the same in all documents.

    Args:
        documents: JSON, of one record.
        wanted: `account`, `region`, `date` (2026-11-25), `hour` (08), `action` (ACCEPT). The
            last two only for a single document.
        region: of the delivery stream: counts where a document does not say its own.
    """
    found: dict[str, set[str]] = {name: set() for name in wanted}
    count = 0
    for text in documents:
        count += 1
        document = orjson.loads(text)
        for name, values in found.items():
            values.add(_VALUES[name](document) or (region if name == "region" else ""))
    keys = {}
    for name, values in found.items():
        if len(values) == 1 and "" not in values and (count == 1 or name not in _ALONE):
            (keys[name],) = values
    return keys
