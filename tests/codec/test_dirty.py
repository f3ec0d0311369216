"""A seeded day of traffic, one line in twenty broken in every way known: the others come out as if they were alone."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from vpcflow.codec import CodecOptions, Decoder
from vpcflow.types import Decoded, Origin, Reason

LINES = 3000
ORIGIN = Origin(name="dirty", arrival_ms=1_418_600_000_000)


def clean(pick: random.Random) -> str:
    start = 1_418_530_000 + pick.randrange(60_000)
    version = pick.random()
    if version < 0.1:
        return f"2 123456789012 eni-{pick.randrange(9)} - - - - - - - {start} {start + 60} - NODATA"
    source = (
        f"10.0.{pick.randrange(256)}.{pick.randrange(256)}" if version < 0.8 else f"2001:db8::{pick.randrange(9999):x}"
    )
    text = (
        f"5 000000000012 eni-{pick.randrange(9)} {source} 198.51.100.7 {pick.randrange(65536)} {pick.randrange(65536)}"
        f" {pick.choice((0, 1, 6, 6, 17, 58, 255))} {pick.randrange(10**6)} {pick.randrange(10**12)} {start} {start + 60}"
        f" {pick.choice(('ACCEPT', 'REJECT'))} {pick.choice(('OK', 'SKIPDATA'))}"
    )
    if version > 0.5:
        text += (
            f" vpc-1 - i-{pick.randrange(9)} {pick.randrange(256)} {pick.choice(('IPv4', '-'))} {source} 198.51.100.7"
            f" us-east-1 use1-az{pick.randrange(1, 4)} - - {pick.choice(('S3', '-'))} - egress {pick.choice('12345678-')}"
        )
    return text


def column(at: int, value: str) -> Callable[[str], str]:
    def change(line: str) -> str:
        tokens = line.split()
        tokens[at] = value
        return " ".join(tokens)

    return change


DIRT: dict[str, Callable[[str], str]] = {
    "port": column(5, "65536"),
    "port of letters": column(6, "https"),
    "address": column(3, "472.16.0.1"),
    "address with a zero": column(4, "10.0.0.01"),
    "address with a zone": column(3, "fe80::1%eth0"),
    "negative": column(8, "-5"),
    "huge": column(9, "9" * 25),
    "hexadecimal": column(9, "0x10"),
    "leading zero": column(8, "007"),
    "other digits": column(8, "٣"),
    "protocol": column(7, "256"),
    "action": column(12, "accept"),
    "status": column(13, "FINE"),
    "far future": column(11, "99999999999"),
    "distant past": column(11, "1"),
    "no time": column(11, "soon"),
    "too few": lambda line: line.rpartition(" ")[0],
    "too many": lambda line: line + " more more",
    "two in one": lambda line: f"{line} {line}",
    "nothing but dashes": lambda _: "- - -",
    "NUL": column(3, "10.0.0\0.1"),
    "quotes": column(5, '"22"'),
    "backslash": column(5, "\\22"),
    "a no-break space within": lambda line: line.replace(" ", " \u00a0x ", 1),
    "prose": lambda _: "Traceback (most recent call last):",
    "long": lambda line: line + "x" * 70_000,
    "nested": lambda _: '{"message":"{\\"message\\":\\"no\\"}"}',
    "JSON": lambda _: '{"level":"info"}',
    "damaged JSON": lambda _: '{"message":"',
}
# Odd, but right: these come out.
HARMLESS: tuple[Callable[[str], str], ...] = (
    lambda line: f"{line}\r",
    lambda line: f"  {line} ",
    lambda line: line.replace(" ", "\t"),
    lambda line: line.replace(" ", "  "),
    column(2, 'eni-"\\\u20ac\U0001f600'),
    column(2, "eni-\0\x7f\x1b"),
)


def traffic(seed: int) -> tuple[list[str], set[int]]:
    pick = random.Random(seed)
    lines, broken, ways = [], set(), list(DIRT.values())
    for number in range(LINES):
        line = clean(pick)
        if pick.random() < 0.05:
            broken.add(number)
            line = ways[len(broken) % len(ways)](line)
        elif pick.random() < 0.05:
            line = pick.choice(HARMLESS)(line)
        lines.append(line)
    return lines, broken


def payload(numbered: list[tuple[int, str]]) -> bytes:
    events = [
        {"id": str(number), "timestamp": 1_418_530_000_000 + number, "message": line} for number, line in numbered
    ]
    body = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "logEvents": events}
    return gzip.compress(json.dumps(body).encode(), 1)


def run(data: bytes, **options: Any) -> list[Decoded]:  # noqa: ANN401
    return list(Decoder(CodecOptions(**options)).decode(data, ORIGIN))


def body(chunks: list[Decoded]) -> bytes:
    return b"".join(chunk.body for chunk in chunks)


@pytest.mark.parametrize("options", [{"event_original": True}, {"shape": "raw"}, {"index_mode": "pattern"}], ids=str)
@pytest.mark.parametrize("seed", [1, 2])
def test_neighbours_come_out_as_if_alone(seed: int, options: dict[str, Any]) -> None:
    lines, broken = traffic(seed)
    chunks = run(payload(list(enumerate(lines))), **options)
    assert [at for chunk in chunks for at in chunk.positions] == [at for at in range(LINES) if at not in broken]
    assert [one.position for chunk in chunks for one in chunk.undecodable] == sorted(broken)
    assert [one.raw.decode() for chunk in chunks for one in chunk.undecodable] == [lines[at] for at in sorted(broken)]
    good = [(at, line) for at, line in enumerate(lines) if at not in broken]
    assert body(chunks) == body(run(payload(good), **options))
    decoder = Decoder(CodecOptions(**options))
    alone = [chunk for one in good for chunk in decoder.decode(payload([one]), ORIGIN)]
    assert body(chunks) == body(alone)


def test_ids_are_unique_and_the_same_again() -> None:
    lines, _ = traffic(3)
    made = body(run(payload(list(enumerate(lines)))))
    ids = [json.loads(row)["create"]["_id"] for row in made.split(b"\n")[0:-1:2]]
    assert len(set(ids)) == len(ids)
    assert made == body(run(payload(list(enumerate(lines)))))


def test_as_text_of_which_some_is_no_utf8() -> None:
    lines, broken = traffic(4)
    broken_bytes = {at for at in range(LINES) if at % 97 == 5}
    raw = [b"\xff\xfe" + line.encode() if at in broken_bytes else line.encode() for at, line in enumerate(lines)]
    chunks = run(b"\n".join(raw))
    assert [at for chunk in chunks for at in chunk.positions] == [
        at for at in range(LINES) if at not in broken | broken_bytes
    ]
    found = {one.position: one.reason for chunk in chunks for one in chunk.undecodable}
    assert {at for at, reason in found.items() if reason is Reason.ENCODING} == broken_bytes


@pytest.mark.parametrize("name", DIRT)
def test_each_kind_of_dirt_is_told(name: str) -> None:
    line = DIRT[name](clean(random.Random(5)))
    [chunk] = run(payload([(0, line)]))
    [one] = chunk.undecodable
    assert one.raw == line.encode()
    assert len(one.message) < 250
    assert one.reason in {Reason.VALUE, Reason.FORMAT, Reason.TIME, Reason.LINE_TOO_LONG}
