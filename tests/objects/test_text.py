from __future__ import annotations

import gzip
import random
from collections.abc import Iterable, Iterator

import pytest

from vpcflow.objects.block import Block, Damage
from vpcflow.objects.text import blocks
from vpcflow.types import Reason

HEADER = b"version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
FLOW = b"2 123456789012 eni-0a1b2c3d 10.0.0.%d 10.0.1.7 %d 443 6 10 840 1700000000 1700000060 ACCEPT OK"


def flows(count: int) -> bytes:
    return b"".join(line + b"\n" for line in [HEADER, *(FLOW % (n % 256, n) for n in range(count))])


def cut(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


def read(stored: bytes, piece: int = 1000, **limits: int) -> tuple[list[Block], list[Damage]]:
    found = list(blocks(cut(stored, piece), **({"block_bytes": 300, "max_line_bytes": 200} | limits)))
    whole = [one for one in found if isinstance(one, Block)]
    return whole, [one for one in found if isinstance(one, Damage)]


def joined(found: Iterable[Block]) -> bytes:
    return b"".join(block.data for block in found)


def test_whole_path() -> None:
    text = flows(500)
    for stored in (text, gzip.compress(text)):
        whole, damage = read(stored)
        assert joined(whole) == text
        assert damage == []
        assert sum(block.lines for block in whole) == 501
        assert whole[0].at.header == ""
        assert {block.at.header for block in whole[1:]} == {HEADER.decode()}
        for block in whole:
            assert block.at.offset is not None
            assert text[block.at.offset :].startswith(block.data)
            assert text[: block.at.offset].count(b"\n") == block.at.position
