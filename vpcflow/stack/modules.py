"""Java modules that a server can do without: `requires` of a jar's module-info made optional (`requires static`).

Elasticsearch 9's entitlement module requires jdk.jlink and jdk.jdi, which the packaged Java runtime leaves out
("Module jdk.jlink not found"). With both optional it starts and works.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Collection
from pathlib import Path

__all__ = ["loosen", "make_optional"]

_STATIC = 0x0040
_UTF8, _MODULE = 1, 19
# Bytes of a constant after its tag, by tag (JVM specification, table 4.4-A); a Utf8 says its own length.
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
_TWO_SLOTS = (5, 6)


def _u2(data: bytes | bytearray, at: int) -> int:
    value: int = struct.unpack_from(">H", data, at)[0]
    return value


def _constants(data: bytes | bytearray) -> tuple[dict[int, str], dict[int, int], int]:
    """Return the texts, the module entries (index of their name), and the offset behind the constant pool."""
    texts: dict[int, str] = {}
    modules: dict[int, int] = {}
    at, index, count = 10, 1, _u2(data, 8)
    while index < count:
        tag = data[at]
        if tag == _UTF8:
            size = 2 + _u2(data, at + 1)
            texts[index] = bytes(data[at + 3 : at + 1 + size]).decode(errors="replace")
        else:
            size = _SIZES[tag]
            if tag == _MODULE:
                modules[index] = _u2(data, at + 1)
        at += 1 + size
        index += 2 if tag in _TWO_SLOTS else 1
    return texts, modules, at


def make_optional(module_info: bytes, names: Collection[str]) -> bytes:
    """Return the module-info with `static` set on every `requires` of one of the names."""
    out = bytearray(module_info)
    texts, modules, at = _constants(out)
    at += 12  # access flags, this, super; a module-info has no interfaces, fields or methods
    attributes, at = _u2(out, at), at + 2
    for _ in range(attributes):
        if texts[_u2(out, at)] == "Module":
            first = at + 12  # the attribute's header, then name, flags and version
            for entry in range(first + 2, first + 2 + 6 * _u2(out, first), 6):
                if texts[modules[_u2(out, entry)]] in names:
                    struct.pack_into(">H", out, entry + 2, _u2(out, entry + 2) | _STATIC)
        at += 6 + int(struct.unpack_from(">I", out, at + 2)[0])
    return bytes(out)


def loosen(jar: Path, names: Collection[str]) -> None:
    """Rewrite the jar in place, so that it no longer insists on the named modules."""
    changed = jar.with_suffix(".tmp")
    with zipfile.ZipFile(jar) as source, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as target:
        for info in source.infolist():
            data = source.read(info)
            target.writestr(info, make_optional(data, names) if info.filename == "module-info.class" else data)
    changed.replace(jar)
