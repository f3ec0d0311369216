"""Parquet files as AWS writes them, as others convert them, and as they break. Types:
https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html."""

from __future__ import annotations

import builtins
import datetime as dt
import io
import json
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.objects.stores import Fault, Store, Stored
from vpcflow.clock import FakeClock
from vpcflow.codec import Decoder
from vpcflow.codec.fields import FIELDS, PRESETS
from vpcflow.codec.origins import s3_origin
from vpcflow.errors import ConfigError
from vpcflow.objects.block import Block, Damage
from vpcflow.objects.failures import ObjectAway, ObjectChanged
from vpcflow.objects.reading import Bounds, open_object
from vpcflow.objects.reference import ObjectRef, Resume
from vpcflow.types import LinesAt, Reason

KEY = "AWSLogs/123456789012/vpcflowlogs/eu-central-1/2026/11/25/x.log.parquet"
REF = ObjectRef(bucket="logs", key=KEY)
INT32 = {"version", "srcport", "dstport", "protocol", "tcp-flags", "traffic-path", "encryption-status"}
INT64 = {"packets", "bytes", "start", "end", "packets-lost-no-route", "packets-lost-blackhole"}
INT64 |= {"packets-lost-mtu-exceeded", "packets-lost-ttl-expired"}


def lines_of(names: Sequence[str], count: int) -> list[str]:
    rows = random.Random(7)
    numbers = {"version": "5", "protocol": "6", "tcp-flags": "18", "traffic-path": "8", "encryption-status": "1"}
    made = []
    for n in range(count):
        cells = dict.fromkeys(names, "")
        for name in names:
            if name in numbers:
                cells[name] = numbers[name]
            elif name in INT32:
                cells[name] = str(rows.randrange(65_536))
            elif name in {"start", "end"}:
                cells[name] = str(1_700_000_000 + n)
            elif name in INT64:
                cells[name] = str(rows.randrange(1 << 40))
            elif name.endswith("addr"):
                cells[name] = rows.choice(["10.0.0.7", "2001:db8::1", f"10.1.{n % 256}.9"])
            elif name == "action":
                cells[name] = rows.choice(["ACCEPT", "REJECT"])
            elif name == "log-status":
                cells[name] = "OK"
            elif "tag" in name:
                cells[name] = rows.choice(["prod%20east", "z%C3%BCrich", "x"])
            else:
                cells[name] = f"{name}-{n % 9}"
            if name not in {"version", "end"} and rows.random() < 0.04:
                cells[name] = "-"
        made.append(" ".join(cells.values()))
    return made


def table(names: Sequence[str], lines: Sequence[str], style: str = "-") -> pa.Table:
    columns = {}
    for at, name in enumerate(names):
        cells: list[Any] = [None if (cell := line.split()[at]) == "-" else cell for line in lines]
        kind = pa.int32() if name in INT32 else pa.int64() if name in INT64 else pa.string()
        if kind != pa.string():
            cells = [None if cell is None else int(cell) for cell in cells]
        columns[name.replace("-", style)] = pa.array(cells, kind)
    return pa.table(columns)


def stored(what: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(what, file, **options)
    return file.getvalue()


def read(store: Store, line: int = 0, **bounds: int) -> list[Block | Damage]:
    ref = REF
    if line:
        ref = ObjectRef(bucket="logs", key=KEY, resume=Resume(etag=store.objects["logs", KEY].etag, line=line))
    with open_object(store.client(), ref, bounds=Bounds(**bounds), clock=FakeClock()) as opened:
        return list(opened.blocks())


def texts(found: Sequence[Block | Damage]) -> list[str]:
    assert all(isinstance(one, Block) for one in found), found
    return "".join(one.data.decode() for one in found if isinstance(one, Block)).splitlines()


def of(store: Store, what: pa.Table, **bounds: int) -> list[str]:
    store.put(KEY, stored(what))
    return texts(read(store, **bounds))


def flows(**columns: object) -> pa.Table:
    """A table of two flows with some columns replaced or added."""
    return pa.table({"version": [2, 2], "srcaddr": ["10.0.0.1", "10.0.0.2"], "dstaddr": ["10.0.1.1", None], **columns})


def documents(blocks: Iterator[Block] | list[Block]) -> list[dict[str, Any]]:
    decoder, origin = Decoder(), s3_origin(bucket="logs", key=KEY, etag="e", time_ms=1_700_000_000_000)
    found = []
    for block in blocks:
        for chunk in decoder.decode(block.data, origin, at=block.at):
            assert not chunk.undecodable
            found += [json.loads(line) for line in chunk.body.splitlines()[1::2]]
    for document in found:
        document.get("log", {}).pop("offset", None)
        if document.get("log") == {}:
            del document["log"]
        document.pop("log.offset", None)
    return found


ALL = tuple(field.name for field in FIELDS)


@pytest.mark.parametrize("style", ["-", "_"])
@pytest.mark.parametrize("names", [*PRESETS.values(), ALL], ids=[*PRESETS, "all"])
def test_a_parquet_file_gives_the_documents_of_the_text_file(store: Store, names: Sequence[str], style: str) -> None:
    lines = lines_of(names, 400)
    text = "\n".join([" ".join(names), *lines, ""]).encode()
    wanted = documents([Block(data=text, at=LinesAt(position=0, offset=0), lines=401)])
    store.put(KEY, stored(table(names, lines, style), row_group_size=150))
    got = read(store, block_bytes=65_536)
    assert texts(got) == lines
    assert len(wanted) == 400
    assert documents([one for one in got if isinstance(one, Block)]) == wanted


def test_positions_are_those_of_the_text_file(store: Store) -> None:
    names = PRESETS["v2"]
    lines = lines_of(names, 1000)
    store.put(KEY, stored(table(names, lines), row_group_size=150))
    position = 1
    for block in read(store, block_bytes=3000):
        assert isinstance(block, Block)
        assert block.at == LinesAt(position=position, header=" ".join(names), offset=None)
        assert block.row_group == (position - 1) // 150
        assert block.data.count(b"\n") == block.lines
        position += block.lines
    assert position == 1001


@pytest.mark.parametrize("line", [0, 1, 2, 99, 100, 101, 102, 200, 201, 250, 251, 252, 1000])
def test_going_on_at_a_row_gives_the_tail_of_the_whole(store: Store, line: int) -> None:
    names = PRESETS["v2"]
    lines = lines_of(names, 250)
    store.put(KEY, stored(table(names, lines), row_group_size=100))
    found = read(store, line, block_bytes=2000)
    assert texts(found) == lines[max(line - 1, 0) :]
    if found:
        assert isinstance(found[0], Block)
        assert found[0].at.position == max(line, 1)
    spans = [request["range"] for request in store.requests]
    assert len(spans) == 1 + len({one.row_group for one in found})  # no row group that is not wanted


def test_nulls_and_empty_texts_are_absent(store: Store) -> None:
    odd = flows(instance_id=["", None], packets=pa.array([None, 7], pa.int64()), x=pa.nulls(2))
    assert of(store, odd) == ["2 10.0.0.1 10.0.1.1 - - -", "2 10.0.0.2 - - 7 -"]


UTC = dt.UTC
WHEN = dt.datetime(2023, 11, 14, 22, 13, 20, 999_000, tzinfo=UTC)
KINDS: list[tuple[pa.Array, list[str]]] = [
    (pa.array([1, 2**63 - 1], pa.int64()), ["1", "9223372036854775807"]),
    (pa.array([1, 2**64 - 1], pa.uint64()), ["1", "18446744073709551615"]),
    (pa.array([1, None], pa.int8()), ["1", "-"]),
    (pa.array([443.0, None]), ["443", "-"]),
    (pa.array([443.0, float("nan")]), ["443", "-"]),
    (pa.array([1.5, 2.0]), ["1.5", "2"]),
    (pa.array([float("inf"), 1e300]), ["inf", "1e+300"]),
    (pa.array([Decimal("443.00"), None], pa.decimal128(9, 2)), ["443", "-"]),
    (pa.array([True, None]), ["true", "-"]),
    (pa.array([WHEN.replace(tzinfo=None), None], pa.timestamp("ms")), ["1700000000", "-"]),
    (pa.array([WHEN, None], pa.timestamp("us", "UTC")), ["1700000000", "-"]),
    (pa.array([WHEN, None], pa.timestamp("ns", "Asia/Tokyo")), ["1700000000", "-"]),
    (pa.array([dt.date(2023, 11, 15), None]), ["1700006400", "-"]),
    (pa.array(["a", None], pa.large_string()), ["a", "-"]),
    (pa.array([b"a", None], pa.binary()), ["a", "-"]),
    (pa.array([b"ab", None], pa.binary(2)), ["ab", "-"]),
    (pa.array(["a", None]).dictionary_encode(), ["a", "-"]),
    (pa.array([["a", "b c"], []]), ["a,b%20c", "-"]),
    (pa.array([[1, None], None]), ["1,", "-"]),
    (pa.array([{"k": "v", "w": 1}, None]), ["k=v,w=1", "-"]),
    (pa.array([[("k", "v"), ("w", "x y")], None], pa.map_(pa.string(), pa.string())), ["k=v,w=x%20y", "-"]),
    (pa.array([[{"Key": "k", "Value": "ü"}], None]), ["Key=k,Value=ü", "-"]),
]


@pytest.mark.parametrize(("column", "wanted"), KINDS, ids=[f"{n}-{one[0].type}" for n, one in enumerate(KINDS)])
def test_every_type_that_people_write(store: Store, column: pa.Array, wanted: list[str]) -> None:
    assert [line.split(" ")[3] for line in of(store, flows(thing=column))] == wanted


@pytest.mark.parametrize(
    "text", ["a b", "a\nb", "\t", " ", "a\u2028b", "a\u00a0b", "\x1c", "a\x00b", "{x", "\u3000", "a\x85b"]
)
def test_a_text_never_becomes_two_columns_or_two_lines(store: Store, text: str) -> None:
    for what in (flows(thing=[text, "y"]), flows(thing=pa.array([[text], ["y"]]))):
        first, second = of(store, what)
        assert len(first.split()) == 4
        assert second.split() == ["2", "10.0.0.2", "-", "y"]
        assert first.isprintable()


def test_bytes_that_are_no_text_are_for_the_codec_to_refuse(store: Store) -> None:
    store.put(KEY, stored(flows(thing=pa.array([b"\xff\xfe \n", b"y"], pa.binary()))))
    (block,) = read(store)
    assert isinstance(block, Block)
    assert block.data.splitlines()[0].endswith(b" \xff\xfe%20%0A")
    chunks = list(Decoder().decode(block.data, s3_origin(bucket="b", key="k", etag="e"), at=block.at))
    assert [bad.reason for chunk in chunks for bad in chunk.undecodable if bad.position == 1] == [Reason.ENCODING]


def test_unknown_and_strange_column_names(store: Store) -> None:
    strange = flows(**{"my.own": ["a", "b"], "Flow Direction": ["ingress", "egress"], "7": ["x", "y"]})
    store.put(KEY, stored(strange))
    (block,) = read(store)
    assert isinstance(block, Block)
    assert block.at.header == "version srcaddr dstaddr my_own flow_direction column_6"


def test_what_is_no_flow_log_is_damage_of_its_own(store: Store) -> None:
    store.put(KEY, stored(pa.table({"eventName": ["x"] * 10, "version": ["1"] * 10})))
    (damage,) = read(store)
    assert isinstance(damage, Damage)
    assert damage.reason is Reason.FORMAT
    assert "eventname version" in damage.message
    assert read(store, damage.position + damage.lines) == []


def test_two_known_columns_are_a_flow_log(store: Store) -> None:
    assert of(store, pa.table({"srcaddr": ["10.0.0.1"], "end": [5]})) == ["10.0.0.1 5"]


def test_no_rows(store: Store) -> None:
    assert of(store, flows().slice(0, 0)) == []


def test_a_row_group_that_is_too_large_is_left_out_and_the_next_one_read(store: Store) -> None:
    names = PRESETS["v2"]
    lines = lines_of(names, 1200)
    store.put(KEY, stored(table(names, lines), row_group_size=1000))
    found = read(store, max_row_group_bytes=20_000)
    damage = found[0]
    assert isinstance(damage, Damage)
    assert (damage.reason, damage.position, damage.lines, damage.row_group) == (Reason.TOO_LARGE, 1, 1000, 0)
    assert "objects.max_row_group_bytes (20000)" in damage.message
    assert texts(found[1:]) == lines[1000:]
    assert all(isinstance(one, Block) for one in read(store, 1001, max_row_group_bytes=20_000))


def test_a_file_that_is_cut_off_anywhere_is_damage(store: Store) -> None:
    whole = stored(flows())
    for size in {*range(0, len(whole), 23), *range(len(whole) - 12, len(whole)), 1, 3, 4, 7, 8, 12}:
        store.put(KEY, whole[:size])
        (damage,) = read(store)
        assert isinstance(damage, Damage)
        assert damage.reason is Reason.PARQUET
        assert "\n" not in damage.message


def test_damage_in_a_row_group_costs_that_row_group(store: Store) -> None:
    names = PRESETS["v2"]
    lines = lines_of(names, 300)
    whole = bytearray(stored(table(names, lines), row_group_size=100))
    where = pq.ParquetFile(io.BytesIO(bytes(whole))).metadata.row_group(1).column(3).dictionary_page_offset
    whole[where : where + 60] = b"\xff" * 60
    store.put(KEY, bytes(whole))
    before, damage, after = read(store)
    assert isinstance(damage, Damage)
    assert (damage.reason, damage.position, damage.lines, damage.row_group) == (Reason.PARQUET, 101, 100, 1)
    assert texts([before, after]) == lines[:100] + lines[200:]
    assert read(store, 201) == [after]


def test_bytes_that_are_changed_anywhere_are_never_an_accident(store: Store) -> None:
    """Whatever is read, it ends: with lines, or with damage that has a name."""
    whole = stored(table(PRESETS["v2"], lines_of(PRESETS["v2"], 40)), row_group_size=20)
    dice = random.Random(11)
    for _ in range(120):
        broken = bytearray(whole)
        for _ in range(dice.choice([1, 3, 20])):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        store.put(KEY, bytes(broken))
        for one in read(store, max_row_group_bytes=10_000_000):
            assert isinstance(one, Block) or one.reason in {Reason.PARQUET, Reason.TOO_LARGE, Reason.FORMAT}


def test_a_cell_that_is_too_long_makes_its_line_one_that_the_codec_refuses(store: Store) -> None:
    long = flows(instance_id=["x" * 5_000_000, "y"])
    store.put(KEY, stored(long))
    found = read(store, max_line_bytes=1000, block_bytes=65_536)
    first, second = texts(found)
    assert 1000 < len(first) < 1100
    assert second.endswith(" y")


def test_a_long_text_that_is_repeated_is_not_multiplied_in_memory(store: Store) -> None:
    text = pa.DictionaryArray.from_arrays(pa.array([0] * 20_000), ["x" * 60_000])
    repeated = pa.table({"version": [2] * 20_000, "srcaddr": ["10.0.0.1"] * 20_000, "instance_id": text})
    store.put(KEY, stored(repeated, store_schema=False))
    lines = 0
    with open_object(store.client(), REF, bounds=Bounds(), clock=FakeClock()) as opened:
        for block in opened.blocks():
            assert isinstance(block, Block)
            assert len(block.data) <= 1_100_000
            lines += block.lines
            assert pa.total_allocated_bytes() < 60_000_000
            if lines > 200:
                break


def test_connections_that_drop_are_resumed(store: Store) -> None:
    names = PRESETS["v2"]
    lines = lines_of(names, 900)
    store.put(KEY, stored(table(names, lines), row_group_size=300))
    store.faults = [Fault(after=5), Fault(after=0), None, Fault(after=1), Fault(status=503, code="SlowDown")]
    assert texts(read(store)) == lines


def test_an_object_that_is_overwritten_between_two_row_groups_is_never_mixed(store: Store) -> None:
    names = PRESETS["v2"]
    lines = lines_of(names, 900)
    store.put(KEY, stored(table(names, lines), row_group_size=300))
    store.faults = [None, None, Fault(becomes=Stored(b"other"))]
    found = []
    with open_object(store.client(), REF, bounds=Bounds(), clock=FakeClock()) as opened:
        blocks = opened.blocks()
        found.append(next(blocks))
        with pytest.raises(ObjectChanged):
            next(blocks)
    assert texts(found) == lines[:300]


def test_a_request_that_fails_inside_of_pyarrow_is_no_damage(store: Store) -> None:
    """A footer that is larger than what is fetched first: pyarrow asks for it itself."""
    wide = pa.table(
        {"version": [2], "srcaddr": ["10.0.0.1"], "dstaddr": ["10.0.0.2"], **{f"c{n}": [n] for n in range(900)}}
    )
    store.put(KEY, stored(wide))
    assert len(store.objects["logs", KEY].data) > 70_000
    assert len(texts(read(store))) == 1
    store.requests.clear()
    store.faults = [None, *[Fault(status=500, code="InternalError")] * 5]
    with pytest.raises(ObjectAway):
        read(store)
    assert len(store.requests) == 6


def test_parquet_is_known_by_its_first_bytes_too(store: Store) -> None:
    key = KEY.replace(".parquet", ".gz")
    store.put(key, stored(flows()))
    with open_object(store.client(), ObjectRef(bucket="logs", key=key), bounds=Bounds(), clock=FakeClock()) as opened:
        assert len(texts(list(opened.blocks()))) == 2


def test_without_pyarrow_the_error_names_the_extra(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.put(KEY, stored(flows()))
    real = builtins.__import__

    def without(name: str, *more: object) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'vpcflow-stream\[parquet\]'") as caught:
        read(store)
    assert "\n" not in str(caught.value)


def test_a_resume_of_another_file_begins_anew(store: Store) -> None:
    names = PRESETS["v2"]
    lines = lines_of(names, 250)
    store.put(KEY, stored(table(names, lines), row_group_size=100))
    ref = ObjectRef(bucket="logs", key=KEY, resume=Resume(etag="0" * 32, line=200))
    with open_object(store.client(), ref, bounds=Bounds(), clock=FakeClock()) as opened:
        assert opened.first_line == 0
        assert texts(list(opened.blocks())) == lines
