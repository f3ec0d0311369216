from __future__ import annotations

import gzip
import json
import zlib

import pytest

from vpcflow.codec import Decoder
from vpcflow.codec.again import decode_again
from vpcflow.codec.origins import firehose_origin
from vpcflow.codec.parts import Mark, looks_marked, opened, part, read_mark
from vpcflow.types import Decoded, line_context

ARRIVAL = 1_418_530_100_000
LINE = "2 123456789010 eni-1 10.0.0.1 10.0.0.2 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
DECODER = Decoder()
LIMIT = 1_000_000


def message(*texts: str) -> bytes:
    events = [
        {"id": f"{number:056d}", "timestamp": 1_418_530_010_000, "message": text} for number, text in enumerate(texts)
    ]
    events.append({"id": 77, "message": LINE})  # as emulators send it
    return json.dumps(
        {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "gr\u00fcn", "logStream": "s", "logEvents": events}
    ).encode()


def decoded(data: bytes, arrival: int | None = ARRIVAL) -> list[Decoded]:
    return list(DECODER.decode(data, firehose_origin(arn="a/flows", arrival_ms=arrival)))


def rendered(data: bytes, arrival: int | None = ARRIVAL) -> list[bytes]:
    chunks = decoded(data, arrival)
    assert not any(chunk.undecodable for chunk in chunks)
    return [line for chunk in chunks for line in chunk.body.splitlines()]


HEADER = "version srcaddr end"
RECORDS = [
    message(LINE, LINE, LINE.replace("22", "23")),
    gzip.compress(message(LINE)),
    "\n".join([LINE, LINE, LINE.replace("22", "23"), LINE]).encode(),
    json.dumps({"message": f"{LINE}\n{LINE}"}).encode(),
    f"{HEADER}\n2 10.0.0.1 1418530070\n2 10.0.0.1 1418530070\n2 10.0.0.3 1418530071".encode(),
]


@pytest.mark.parametrize("record", RECORDS)
@pytest.mark.parametrize("size", [1, 2])
def test_parts_give_what_the_whole_gives(record: bytes, size: int) -> None:
    made = []
    for chunk in decoded(record):
        places = range(chunk.count)
        made += [
            part(chunk, places[at : at + size], hops=1, arrival_ms=ARRIVAL, weight=2_000)
            for at in range(0, chunk.count, size)
        ]
    assert all(2_000 <= len(one) < 2_100 for one in made)
    assert all(looks_marked(one[:66]) for one in made)
    later = ARRIVAL + 60_000
    assert [line for one in made for line in rendered(one, later)] == rendered(record)


def test_a_part_is_split_again_with_the_same_ids() -> None:
    text = "\n".join([LINE] * 4).encode()
    [chunk] = decoded(text)
    [again] = decoded(part(chunk, range(1, 4), hops=1, arrival_ms=ARRIVAL, weight=0), ARRIVAL + 1)
    last = part(again, range(2, 3), hops=2, arrival_ms=ARRIVAL, weight=0)
    assert read_mark(last) == Mark(hops=2, arrival_ms=ARRIVAL, occurrences={LINE: 3})
    assert rendered(last) == rendered(text)[-2:]


@pytest.mark.parametrize("record", RECORDS)
def test_a_mark_survives_what_carriers_do(record: bytes) -> None:
    chunk = decoded(record)[-1]
    made = part(chunk, range(chunk.count), hops=3, arrival_ms=None, weight=300)
    plain = opened(made, LIMIT)
    assert plain.startswith(b'{"vpcflow":{"hops":3')
    mark = read_mark(plain)
    assert mark is not None
    assert (mark.hops, mark.arrival_ms) == (3, None)
    ordered = json.dumps(json.loads(plain), sort_keys=True, indent=1).encode()
    for changed in (
        gzip.compress(plain, 9),
        gzip.compress(gzip.compress(plain)),
        plain + b"\n",
        ordered,
        json.dumps({"message": plain.decode()}).encode(),
        json.dumps({"message": json.dumps({"message": plain.decode()})}).encode(),
    ):
        assert read_mark(opened(changed, LIMIT)) == mark


@pytest.mark.parametrize(
    "value",
    [0, -1, True, 1.0, "1", None, 2**70 * 1.0],
)
def test_a_damaged_mark_is_none(value: object) -> None:
    for broken in (
        {"hops": value},
        {"hops": 1, "arrival_ms": "x"},
        {"hops": 1, "arrival_ms": -1},
        {"hops": 1, "occurrences": {"a": value}},
        {"hops": 1, "occurrences": []},
    ):
        assert read_mark(json.dumps({"vpcflow": broken, "message": LINE}).encode()) is None
    assert read_mark(b'{"vpcflow": {"hops": 1}') is None
    assert read_mark(b'[{"vpcflow": {"hops": 1}}]') is None
    assert read_mark(b'{"message": 5, "x": {"vpcflow": {"hops": 1}}}') is None


def test_a_log_group_with_our_name_is_no_mark() -> None:
    assert read_mark(message(LINE).replace(b'"g', b'"vpcflow": "/vpcflow/g')) is None


def test_what_cannot_be_opened_stays_packed() -> None:
    packed = gzip.compress(b"x" * 5_000)
    assert opened(packed, 5_000) == b"x" * 5_000
    assert opened(packed, 4_999) == packed
    assert opened(packed[:-3], LIMIT) == packed[:-3]
    assert opened(packed * 2, LIMIT) == packed * 2
    assert opened(b"plain", LIMIT) == b"plain"


def test_half_a_surrogate_pair_keeps_its_id() -> None:
    line = LINE.replace("eni-1", "eni-\\ud800")
    record = f'{{"message": "{line}\\n{line}"}}'.encode()
    [chunk] = decoded(record)
    made = part(chunk, [1], hops=1, arrival_ms=ARRIVAL, weight=0)
    assert read_mark(made) is not None
    assert rendered(made, ARRIVAL + 5) == rendered(record)[2:]


def test_other_readers_see_a_payload_of_cloudwatch_logs() -> None:
    [chunk] = decoded(message(LINE))
    made = part(chunk, [0], hops=1, arrival_ms=ARRIVAL, weight=500)
    assert zlib.decompress(made, 31)[-1:] == b" "
    body = json.loads(gzip.decompress(made))
    assert (body["messageType"], body["logGroup"]) == ("DATA_MESSAGE", "grün")
    assert body["logEvents"] == [{"id": "0" * 56, "timestamp": 1_418_530_010_000, "message": LINE}]


def test_a_bad_line_of_a_part_is_decoded_again_with_the_id_it_has_there() -> None:
    text = "\n".join([LINE] * 3).encode()
    [chunk] = decoded(text)
    [again] = decoded(part(chunk, [1, 2], hops=1, arrival_ms=ARRIVAL, weight=0), ARRIVAL + 9)
    context = again.context(1)
    assert context == line_context({"arrival_ms": ARRIVAL}, b"2:x", None)
    later = firehose_origin(arn="a/flows", arrival_ms=ARRIVAL + 9)
    [alone] = decode_again(DECODER, LINE.encode(), later, position=1, context=context)
    assert alone.body.splitlines() == rendered(text)[-2:]


def test_a_mark_does_not_move_the_window_of_time() -> None:
    old = json.dumps({"vpcflow": {"hops": 1, "arrival_ms": ARRIVAL}, "message": LINE}).encode()
    [chunk] = decoded(old, ARRIVAL + 500 * 86_400_000)
    assert [bad.reason.value for bad in chunk.undecodable] == ["time"]
