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


def test_a_gzip_object_cut_off_at_every_byte_gives_all_whole_lines_before_and_says_so() -> None:
    text = flows(12)
    stored = gzip.compress(text)
    known = [0]
    for at in range(1, len(stored)):
        whole, damage = read(stored[:at], piece=7)
        got = joined(whole)
        assert text.startswith(got)
        assert got == b"" or got.endswith(b"\n")
        known.append(len(got))
        (one,) = damage
        assert one.reason is Reason.GZIP
        assert "cut off" in one.message
        assert one.position == got.count(b"\n")
        assert one.offset == len(got)
        assert text[len(got) :].startswith(one.raw) or stored[:at] == one.raw == b"\x1f"
        assert b"\n" not in one.raw
    assert known == sorted(known)
    assert known[-1] == len(text)  # only the trailer was missing
    assert read(b"") == ([], [])


@pytest.mark.parametrize("piece", [1, 2, 3, 50, 10_000])
def test_members_in_a_row(piece: int) -> None:
    text = flows(40)
    for sizes in ([len(text)], [1] * 50, [100, 0, 300, 7]):
        parts, at = [], 0
        for size in sizes:
            parts.append(gzip.compress(text[at : at + size]))
            at += size
        parts.append(gzip.compress(text[at:]))
        for between in (b"", b"\0" * 5):
            whole, damage = read(between.join(parts) + between, piece)
            assert (joined(whole), damage) == (text, [])


@pytest.mark.parametrize("piece", [1, 3, 10_000])
@pytest.mark.parametrize("rest", [b"garbage", b"\0\0garbage", b"\x1f", b"\x1f\x8c", b"\0\x1f", b"\x1f\x8b"])
def test_what_follows_a_member_and_is_none_costs_no_line(piece: int, rest: bytes) -> None:
    text = flows(9).rstrip(b"\n")
    whole, damage = read(gzip.compress(text) + rest, piece)
    assert joined(whole)[: len(text)] == text or rest == b"\x1f\x8b"
    (one,) = damage
    assert one.reason is Reason.GZIP
    if rest == b"\x1f\x8b":  # a member that is cut off might have gone on with the line
        assert joined(whole) == text[: text.rindex(b"\n") + 1]
        assert one.raw == text[text.rindex(b"\n") + 1 :]
    elif one.raw:
        assert rest.lstrip(b"\0").startswith(one.raw)


def test_all_that_stands_before_damage_in_one_piece_is_given() -> None:
    rows = random.Random(4)
    text = b"".join(b"%s %d\n" % (rows.randbytes(20).hex().encode(), n) for n in range(4000))
    stored = bytearray(gzip.compress(text))
    where = len(stored) // 2
    stored[where : where + 40] = bytes(40)
    whole, damage = read(bytes(stored), piece=len(stored), block_bytes=10_000)
    got = joined(whole)
    same = next((n for n, (a, b) in enumerate(zip(got, text, strict=False)) if a != b), len(got))
    assert len(text) * 0.45 < same
    assert damage[0].reason is Reason.GZIP
    assert "damaged" in damage[0].message


def test_a_wrong_checksum_is_said_after_all_lines() -> None:
    text = flows(5)
    stored = bytearray(gzip.compress(text))
    stored[-8] ^= 1
    whole, damage = read(bytes(stored))
    assert joined(whole) == text
    assert [one.reason for one in damage] == [Reason.GZIP]


def test_gzip_in_gzip() -> None:
    text = flows(5)
    whole, damage = read(gzip.compress(gzip.compress(text)))
    assert (joined(whole), damage) == (text, [])


def test_a_bomb_ends_at_its_cap_with_little_in_memory() -> None:
    text = flows(3)
    bomb = gzip.compress(text + bytes(50_000_000))
    whole, damage = read(bomb, piece=65_536, max_inflated_bytes=1_000_000)
    assert joined(whole).startswith(text)
    assert sum(len(block.data) for block in whole) < 10_000
    (one,) = damage
    assert one.reason is Reason.TOO_LARGE
    assert "objects.max_inflated_bytes (1000000)" in one.message
    assert len(one.raw) <= 200


def test_the_cap_is_the_last_byte_that_may_be() -> None:
    text = flows(3)
    for stored in (text, gzip.compress(text)):
        assert read(stored, max_inflated_bytes=len(text))[1] == []
        whole, damage = read(stored, max_inflated_bytes=len(text) - 1)
        assert joined(whole) == text[: text[:-1].rindex(b"\n") + 1]
        assert damage[0].reason is Reason.TOO_LARGE


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"", b"\n"])
@pytest.mark.parametrize("block_bytes", [1, 50, 107, 120, 300, 10_000])
def test_newlines_of_all_kinds(end: bytes, last: bytes, block_bytes: int) -> None:
    lines = flows(20).split(b"\n")[:-1]
    lines.insert(3, b"")
    lines.insert(9, b"  ")
    text = end.join(lines) + (end if last else b"")
    whole, damage = read(text, piece=33, block_bytes=block_bytes)
    assert (joined(whole), damage) == (text, [])
    assert sum(block.lines for block in whole) == len(lines)
    for block in whole[:-1]:
        assert block.data.endswith(b"\n")


def test_a_header_alone_and_nothing_at_all() -> None:
    for text in (HEADER, HEADER + b"\n"):
        whole, damage = read(gzip.compress(text))
        assert ([block.data for block in whole], damage) == ([text], [])
    assert read(gzip.compress(b"")) == ([], [])


def test_a_mark_of_byte_order_is_no_part_of_the_first_line() -> None:
    for piece in (1, 2, 1000):
        whole, _ = read(b"\xef\xbb\xbf" + flows(3), piece)
        assert joined(whole) == flows(3)
        assert whole[0].at.offset == 3
    assert joined(read(b"\xef\xbb")[0]) == b"\xef\xbb"


def test_each_header_counts_from_its_line_on() -> None:
    other = HEADER.replace(b"srcaddr dstaddr", b"dstaddr srcaddr")
    no_header = b"just three words"
    text = (
        flows(10) + other + b"\r\n" + flows(10).partition(b"\n")[2] + no_header + b"\n" + flows(3).partition(b"\n")[2]
    )
    whole, _ = read(text, block_bytes=130)
    seen = ""
    for block in whole:
        assert block.at.header == seen
        for line in block.data.splitlines():
            seen = line.decode() if line in {HEADER, other} else seen
    assert seen == other.decode()


@pytest.mark.parametrize("length", [190, 200, 201, 208, 209, 299, 300, 301, 5000, 70_000])
@pytest.mark.parametrize("piece", [1, 100, 100_000])
def test_a_long_line_costs_itself_alone(length: int, piece: int) -> None:
    before, long, after = flows(4), "ä".encode() * (length // 2) + b"x" * (length % 2), FLOW % (1, 1)
    text = before + long + b"\n" + after + b"\n"
    whole, damage = read(text, piece)
    assert damage == []
    got = joined(whole).splitlines()
    assert got[:5] == before.splitlines()
    assert got[-1] == after
    (given,) = got[5:-1]
    given.decode()
    assert (len(given) > 200) == (length > 200)
    assert len(given) <= max(300, 208)
    assert whole[-1].at.position + whole[-1].lines == 7
    last = whole[-1]
    assert last.at.offset is not None
    assert text[last.at.offset :].startswith(last.data)


def test_a_long_line_of_spaces_never_passes_for_a_short_one() -> None:
    text = FLOW % (1, 1) + b" " * 10_000 + b"2 more columns\n" + b" " * 10_000 + FLOW % (2, 2) + b"\n"
    whole, _ = read(text)
    assert [len(block.data.strip()) > 200 for block in whole] == [True, True]


def test_a_long_last_line_without_an_end() -> None:
    whole, damage = read(flows(2) + b"x" * 10_000)
    assert damage == []
    assert len(whole[-1].data) < 300
    whole, damage = read(gzip.compress(flows(2) + b"x" * 10_000)[:-8])
    assert len(damage) == 1


def test_41_a_multi_byte_character_across_a_chunk_boundary_survives() -> None:
    text = "".join(f"{n} zürich-€-𝄞\n" for n in range(60)).encode()
    for stored in (text, gzip.compress(text)):
        for piece in range(1, 40):
            for block_bytes in (16, 17, 18, 19):
                whole, _ = read(stored, piece, block_bytes=block_bytes)
                assert "".join(block.data.decode() for block in whole) == text.decode()


def test_42_positions_are_byte_positions_of_the_original_input() -> None:
    text = b"".join(b"%d \xff\xfe \xc3\xa4\r\n\n" % n for n in range(100))
    whole, _ = read(gzip.compress(text), block_bytes=40)
    assert len(whole) > 20
    for block in whole:
        assert block.at.offset is not None
        assert text[block.at.offset : block.at.offset + len(block.data)] == block.data
        assert block.at.position == text[: block.at.offset].count(b"\n")


def by_line(found: Iterable[Block]) -> list[tuple[int, int, str, bytes]]:
    """Each line with its position, its offset and the header above it."""
    lines = []
    for block in found:
        assert block.at.offset is not None
        position, offset, header = block.at.position, block.at.offset, block.at.header
        for line in block.data.splitlines(keepends=True):
            lines.append((position, offset, header, line))
            position, offset = position + 1, offset + len(line)
            header = line.strip().decode() if line.startswith(b"version") else header
    return lines


@pytest.mark.parametrize("block_bytes", [60, 300, 3000])
def test_going_on_at_any_line_gives_the_tail_of_the_whole(block_bytes: int) -> None:
    second = HEADER.replace(b"srcaddr dstaddr", b"dstaddr srcaddr")
    text = flows(10) + b"\n\r\n" + b"x" * 4000 + b"\n" + second + b"\n" + flows(6).partition(b"\n")[2] + b"2 no end"
    for stored in (text, gzip.compress(text), gzip.compress(text[:200]) + gzip.compress(text[200:])):
        everything = by_line(read(stored, block_bytes=block_bytes)[0])
        assert [line[0] for line in everything] == list(range(len(everything)))
        for line in range(len(everything) + 2):
            whole, damage = read(stored, block_bytes=block_bytes, from_line=line)
            assert damage == []
            tail = by_line(whole)
            assert tail == everything[line:]


def test_damage_comes_again_until_it_is_settled() -> None:
    stored = gzip.compress(flows(20))[:-20]
    (damage,) = read(stored)[1]
    for line in range(damage.position + 1):
        assert read(stored, from_line=line)[1] == [damage]
    assert read(stored, from_line=damage.position + damage.lines) == ([], [])


def test_what_the_stream_raises_is_no_damage() -> None:
    def stream() -> Iterator[bytes]:
        yield gzip.compress(flows(50))[:100]
        raise ConnectionError

    found = blocks(stream(), block_bytes=300)
    with pytest.raises(ConnectionError):
        assert all(isinstance(one, Block) for one in found)


SPACES = "".join(filter(str.isspace, map(chr, range(0x3001)))).replace("\n", "")


@pytest.mark.parametrize("space", [*SPACES, SPACES], ids=ascii)
def test_a_header_is_found_whatever_space_stands_around_it(space: str) -> None:
    header = f"{space}{HEADER.decode()}{space}\n".encode()
    for text in (header + flows(9).partition(b"\n")[2], b"\n" + header + flows(9).partition(b"\n")[2]):
        whole, _ = read(text)
        assert len(whole) > 2
        assert {block.at.header for block in whole[2:]} == {HEADER.decode()}


def test_what_has_no_text_around_it_is_no_header() -> None:
    whole, _ = read(b"\x80" + HEADER + b"\xe3\n" + flows(9).partition(b"\n")[2])
    assert {block.at.header for block in whole} == {""}
