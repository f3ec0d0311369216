from __future__ import annotations

import struct
import zipfile
from pathlib import Path

from vpcflow.stack.modules import loosen, make_optional

MANDATED, STATIC = 0x8000, 0x0040


def module_info(*requires: tuple[str, int]) -> bytes:
    """Write the class file of `module m { requires …; }`."""
    pool: list[bytes] = []

    def add(entry: bytes) -> int:
        pool.append(entry)
        return len(pool)

    def text(value: str) -> int:
        return add(b"\x01" + struct.pack(">H", len(value)) + value.encode())

    def module(value: str) -> int:
        return add(b"\x13" + struct.pack(">H", text(value)))

    this = add(b"\x07" + struct.pack(">H", text("module-info")))
    add(b"\x05" + bytes(8))  # a long: it takes two slots of the pool
    pool.append(b"")
    attribute, name = text("Module"), module("m")
    entries = b"".join(struct.pack(">HHH", module(each), flags, 0) for each, flags in requires)
    body = struct.pack(">HHHH", name, 0, 0, len(requires)) + entries + bytes(8)
    head = b"\xca\xfe\xba\xbe" + struct.pack(">HHH", 0, 65, len(pool) + 1) + b"".join(pool)
    tail = struct.pack(">HHHHHHH", 0x8000, this, 0, 0, 0, 0, 1) + struct.pack(">HI", attribute, len(body)) + body
    return head + tail


def test_the_named_modules_become_optional_and_nothing_else() -> None:
    before = module_info(("java.base", MANDATED), ("jdk.jlink", 0), ("jdk.jdi", 0))
    after = module_info(("java.base", MANDATED), ("jdk.jlink", STATIC), ("jdk.jdi", 0))
    assert make_optional(before, {"jdk.jlink", "java.logging"}) == after


def test_a_jar_keeps_its_other_entries(tmp_path: Path) -> None:
    jar = tmp_path / "some.jar"
    with zipfile.ZipFile(jar, "w") as out:
        out.writestr("module-info.class", module_info(("jdk.jdi", 0)))
        out.writestr("a/B.class", b"class")
    loosen(jar, {"jdk.jdi"})
    with zipfile.ZipFile(jar) as changed:
        assert changed.read("module-info.class") == module_info(("jdk.jdi", STATIC))
        assert changed.read("a/B.class") == b"class"
    assert [path.name for path in tmp_path.iterdir()] == ["some.jar"]
