"""Settings as TOML text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

__all__ = ["bare_or_quoted", "tables", "toml"]

_BARE = re.compile("[A-Za-z0-9_-]+")


def toml(value: object) -> str:
    """Return a value as TOML: JSON, apart from tables."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{bare_or_quoted(key)} = {toml(one)}' for key, one in value.items())} }}"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def tables(values: Mapping[str, object], path: str = "") -> Iterator[str]:
    """Yield the lines of a table and of the tables in it; keys that are no tables come first, lists of tables last."""
    plain = {key: value for key, value in values.items() if not isinstance(value, Mapping) and not _of_tables(value)}
    if plain:
        if path:
            yield f"[{path}]"
        yield from (f"{bare_or_quoted(key)} = {toml(value)}" for key, value in plain.items())
        yield ""
    for key, value in values.items():
        inner = f"{path}.{bare_or_quoted(key)}" if path else bare_or_quoted(key)
        if isinstance(value, Mapping):
            yield from tables(value, inner)
        elif isinstance(value, list) and _of_tables(value):
            for entry in value:
                yield f"[[{inner}]]"
                yield from (f"{bare_or_quoted(name)} = {toml(one)}" for name, one in entry.items())
                yield ""


def _of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) for one in value)


def bare_or_quoted(name: str) -> str:
    """Return a key as it is written in TOML."""
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False)
