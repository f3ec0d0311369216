"""From an object in S3 to documents: what users of other forwarders miss, see the names."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from tests.objects.stores import Fault, Store
from tests.objects.test_text import FLOW, HEADER, flows
from vpcflow.clock import FakeClock
from vpcflow.codec import Decoder
from vpcflow.codec.origins import s3_origin
from vpcflow.objects.block import Block, Damage
from vpcflow.objects.reading import Bounds, open_object
from vpcflow.objects.reference import ObjectRef, Resume
from vpcflow.types import Decoded, Reason

KEY = "AWSLogs/123456789012/vpcflowlogs/eu-central-1/2026/11/25/x.log.gz"


def read(
    store: Store, *, key: str = KEY, line: int = 0, etag: str = "", block_bytes: int = 1000
) -> Iterator[Decoded | Damage]:
    resume = Resume(etag=etag or store.objects["logs", key].etag, line=line) if line else None
    ref = ObjectRef(bucket="logs", key=key, resume=resume)
    decoder = Decoder()
    bounds = Bounds(block_bytes=block_bytes, max_line_bytes=2000)
    with open_object(store.client(), ref, bounds=bounds, clock=FakeClock()) as opened:
        origin = s3_origin(bucket="logs", key=key, etag=opened.etag)
        for block in opened.blocks():
            if isinstance(block, Block):
                yield from decoder.decode(block.data, origin, at=block.at)
            else:
                yield block


def documents(found: Iterator[Decoded | Damage]) -> list[tuple[str, dict[str, Any]]]:
    """Each `_id` with its document."""
    made = []
    for chunk in found:
        assert isinstance(chunk, Decoded), chunk
        assert not chunk.undecodable
        rows = [json.loads(line) for line in chunk.body.splitlines()]
        made += [(action["create"]["_id"], row) for action, row in zip(rows[::2], rows[1::2], strict=True)]
    return made


def test_01_plain_and_gzip_give_the_same_and_base64_is_not_guessed(store: Store) -> None:
    text = flows(50)
    store.put(KEY, text, etag="e")
    plain = documents(read(store))
    store.put(KEY, gzip.compress(text), etag="e")
    assert documents(read(store)) == plain
    assert len(plain) == 50
    store.put(KEY, base64.b64encode(text) + b"\n")
    (bad,) = [bad for chunk in read(store) if isinstance(chunk, Decoded) for bad in chunk.undecodable]
    assert bad.reason in {Reason.FORMAT, Reason.LINE_TOO_LONG}


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n", b"\r\n\r\n"])
@pytest.mark.parametrize("last", [b"", b"\n"])
def test_02_newlines_of_all_kinds(store: Store, end: bytes, last: bytes) -> None:
    store.put(KEY, end.join(flows(30).splitlines()) + last)
    ports = [row["source"]["port"] for _, row in documents(read(store, block_bytes=300))]
    assert ports == list(range(30))


def test_03_text_that_begins_like_json_and_is_none_costs_one_line(store: Store) -> None:
    store.put(KEY, b"{not json\n" + flows(3) + b'{"message": "' + FLOW % (9, 9) + b'"}\n')
    chunks = [chunk for chunk in read(store) if isinstance(chunk, Decoded)]
    assert [bad.position for chunk in chunks for bad in chunk.undecodable] == [0]
    assert sum(chunk.count for chunk in chunks) == 4


def test_04_bytes_that_are_no_utf_8_cost_one_line(store: Store) -> None:
    store.put(KEY, gzip.compress(flows(3) + b"\xff\xfe\x00\n" + FLOW % (9, 9)))
    chunks = [chunk for chunk in read(store) if isinstance(chunk, Decoded)]
    assert [bad.reason for chunk in chunks for bad in chunk.undecodable] == [Reason.ENCODING]
    assert sum(chunk.count for chunk in chunks) == 4


def test_47_an_object_that_is_notified_twice_gives_the_same_documents(store: Store) -> None:
    store.put(KEY, gzip.compress(flows(40)), version="v1")
    first = documents(read(store))
    store.faults = [Fault(after=100), Fault(status=503, code="SlowDown")]
    assert documents(read(store, block_bytes=400)) == first
    assert len({one for one, _ in first}) == 40


def test_49_the_header_is_the_format_and_no_document(store: Store) -> None:
    names = HEADER.decode().split()
    other = [*names[5:], *names[:5]]
    lines = [
        " ".join(dict(zip(names, (FLOW % (1, n)).decode().split(), strict=True))[name] for name in other)
        for n in range(20)
    ]
    key = "AWSLogs/aws-account-id=1/aws-service=vpcflowlogs/aws-region=r/year=2026/month=11/day=25/x.log.gz"
    store.put(key, "\n".join([" ".join(other), *lines]).replace("-id", "_id").encode())
    made = documents(read(store, key=key, block_bytes=300))
    assert [row["source"]["port"] for _, row in made] == list(range(20))
    assert {row["destination"]["ip"] for _, row in made} == {"10.0.1.7"}


def test_going_on_at_any_line_gives_the_same_ids_and_offsets(store: Store) -> None:
    text = flows(25)
    store.put(KEY, gzip.compress(text))
    whole = documents(read(store))
    offsets = [row["log"]["offset"] for _, row in whole]
    assert all(text[at : at + 2] == b"2 " for at in offsets)
    assert all(a < b for a, b in pairwise(offsets))
    for line in range(27):
        assert documents(read(store, line=line, block_bytes=300)) == whole[max(line - 1, 0) :]


def test_a_hand_over_to_a_changed_object_reads_all_of_the_new_one(store: Store) -> None:
    old = store.put(KEY, flows(9)).etag
    before = documents(read(store))
    store.put(KEY, flows(12))
    after = documents(read(store, line=5, etag=old))
    assert len(after) == 12
    assert not {one for one, _ in before} & {one for one, _ in after}


def test_lines_cut_anywhere_by_lost_connections_and_an_object_cut_off(store: Store) -> None:
    stored = gzip.compress(flows(200))
    for lost in (1, 10, 200, 1000):
        store.put(KEY, stored[:-9])
        store.faults = [Fault(after=lost), Fault(after=lost)]
        found = list(read(store))
        damage = found.pop()
        assert isinstance(damage, Damage)
        assert damage.reason is Reason.GZIP
        assert len(documents(iter(found))) == damage.position - 1
