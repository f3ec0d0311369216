from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firehose_transform.answers import ReplyError, response
from firehose_transform.events import EventError, parse_request
from firehose_transform.rules import Mode, Rules
from firehose_transform.splitting import MAX_PART_BYTES
from firehose_transform.transform import Plan, transform
from tests.firehose_transform.contract import (
    ARRIVAL,
    BROKEN,
    LINE,
    buffered,
    documents,
    event,
    ids,
    judged,
    lines,
    message,
    payload,
)
from vpcflow.codec import CodecOptions, Decoder

DECODER = Decoder(CodecOptions(event_id=True))


def planned(sent: dict[str, Any], **rules: object) -> Plan:
    return transform(parse_request(sent), DECODER, Rules(**rules))


def done(plan: Plan) -> tuple[dict[str, Any], list[bytes]]:
    """Return the reply when all errands went well, and what they put into the stream."""
    answers = list(plan.answers)
    put: list[bytes] = []
    for errand in plan.errands:
        answers[errand.number] = errand.then
        put += errand.parts() if errand.parts else ()
    return response(answers, 5_000_000), put


def answered(*data: bytes, **rules: object) -> tuple[list[tuple[str, bytes]], Plan]:
    """Return the answers before any errand."""
    sent = event(*data)
    plan = planned(sent, **rules)
    return judged(sent, response(plan.answers, 5_000_000)), plan


def all_around(records: list[bytes], **rules: object) -> tuple[list[bytes], int]:
    """Send records through until nothing comes back; return the data of all Ok answers, and how many rounds it took."""
    found: list[bytes] = []
    rounds = 0
    while records:
        rounds += 1
        back: list[bytes] = []
        for batch in buffered(records):
            sent = event(*batch, arrival=ARRIVAL + rounds - 1)
            plan = planned(sent, **rules)
            assert plan.complaints == []
            reply, put = done(plan)
            found += [data for result, data in judged(sent, reply) if result == "Ok"]
            back += put
        records = back
    return found, rounds


def test_one_event_gives_one_document_that_ends_in_a_newline() -> None:
    [(result, data)], plan = answered(payload(LINE))
    assert (result, plan.complaints) == ("Ok", [])
    [document] = documents(data)
    assert document["source"]["ip"] == "172.31.16.139"


def test_every_record_is_answered_in_its_place() -> None:
    wrapper = json.dumps({"message": LINE}).encode() + b"\n"
    control = payload("CWL CONTROL MESSAGE: Checking health of destination Firehose.", kind="CONTROL_MESSAGE")
    found, plan = answered(payload(LINE), control, b"\x1f\x8bnot gzip", wrapper, LINE.encode(), b"")
    assert [result for result, _ in found] == ["Ok", "Dropped", "ProcessingFailed", "Ok", "Ok", "Dropped"]
    assert len(plan.complaints) == 1


def test_bulk_lines_have_the_ids_that_every_path_gives() -> None:
    [(_, data)], _ = answered(payload(*lines(3)), mode="bulk")
    assert len(set(ids(data))) == 3
    [(_, again)], _ = answered(json.dumps(message(*lines(3))).encode(), mode="bulk")
    assert ids(again) == ids(data)


def test_a_single_document_carries_its_id() -> None:
    [(_, bulk)], _ = answered(payload(LINE), mode="bulk")
    [(_, data)], _ = answered(payload(LINE), mode="document")
    assert b"\n" not in data
    assert json.loads(data)["event"]["id"] == ids(bulk)[0]


def test_a_bad_line_fails_its_record_and_says_why() -> None:
    [(result, _)], plan = answered(payload(LINE, BROKEN))
    assert result == "ProcessingFailed"
    [complaint] = plan.complaints
    assert complaint.reasons == {"value": 1}
    assert "99999" in complaint.message
    assert plan.errands == []


def test_good_lines_are_answered_only_after_the_bad_ones_are_kept() -> None:
    [(result, _)], plan = answered(payload(LINE, BROKEN), keep_good=True)
    assert result == "ProcessingFailed"
    [errand] = plan.errands
    assert [bad.raw for bad in errand.letters] == [BROKEN.encode()]
    assert (errand.then.result, errand.parts) == ("Ok", None)
    assert len(documents(base64.b64decode(errand.then.data))) == 1


@pytest.mark.parametrize("data", [payload(BROKEN), b"garbage", payload(LINE)[:-9], payload(*[BROKEN] * 11, LINE)])
def test_a_record_without_good_lines_or_with_too_many_bad_ones_fails_as_a_whole(data: bytes) -> None:
    [(result, _)], plan = answered(data, keep_good=True, max_bad_lines=10)
    assert (result, plan.errands) == ("ProcessingFailed", [])


def test_what_has_no_room_goes_round_once_and_keeps_its_ids() -> None:
    text = "\n".join([*lines(3000), *lines(3000)]).encode()
    records = [payload(*lines(9000), tag="a"), text, payload(*lines(20), tag="b")]
    found, rounds = all_around(records, mode="bulk", max_hops=1)
    assert rounds == 2
    wanted = []
    for record in records:
        sent = event(record)
        small = transform(parse_request(sent), Decoder(), Rules(mode="bulk", max_reply_bytes=10**9))
        wanted += ids(base64.b64decode(small.answers[0].data))
    assert sorted(one for data in found for one in ids(data)) == sorted(wanted)
    assert len(set(wanted)) == 15_020


def test_a_header_goes_with_each_part() -> None:
    columns = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    text = "\n".join([columns, *(line.removesuffix(" OK") for line in lines(5000))]).encode()
    found, _ = all_around([text], mode="bulk")
    assert sum(len(ids(data)) for data in found) == 5000


def dense(records: int) -> list[bytes]:
    """Return records of 20,000 events that differ in little."""
    return [payload(*lines(20_000, first=20_000 * number), tag=str(number), level=9) for number in range(records)]


def test_dense_gzip_comes_through_in_one_round() -> None:
    found, rounds = all_around(dense(2), mode="bulk", max_hops=1)
    every = [one for data in found for one in ids(data)]
    assert len(every) == len(set(every)) == 40_000
    assert rounds == 2


@pytest.mark.slow
def test_three_megabytes_of_dense_gzip_come_through_in_one_round() -> None:
    records = dense(26)
    assert sum(map(len, records)) > 3_000_000
    found, rounds = all_around(records, max_hops=1)
    assert sum(data.count(b"\n") for data in found) == 520_000
    assert rounds == 2


def test_records_that_went_round_have_the_first_claim() -> None:
    _, put = done(planned(event(payload(*lines(9000), tag="a"))))
    fresh = payload(*lines(800), tag="b")  # has room, if it comes first; then not all of the others have
    sent = event(fresh, *put[:6])
    plan = planned(sent)
    assert [errand.number for errand in plan.errands] == [0]
    assert [answer.result for answer in plan.answers[1:]] == ["Ok"] * 6


def test_room_is_kept_for_a_record_whose_parts_may_not_be_taken() -> None:
    sent = event("\n".join(lines(3000)).encode(), payload(*lines(300)))
    plan = planned(sent, max_reply_bytes=730_000)
    assert [errand.number for errand in plan.errands] == [0, 1]
    plan = planned(event(payload(*lines(3000)), payload(*lines(300), tag="b")), max_reply_bytes=730_000)
    assert [errand.number for errand in plan.errands] == [0]


@pytest.mark.parametrize("limit", [4_200_000, pytest.param(5_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("mode", ["documents", "bulk", "document"])
def test_one_round_is_enough_with_the_least_reply_too(limit: int, mode: Mode) -> None:
    """As they came, a buffer of parts may be longer than a reply; what they give is shorter, each of them."""
    records = [payload(*lines(7000)), "\n".join(lines(5000)).encode()]
    found, rounds = all_around(records, mode=mode, max_hops=1, max_reply_bytes=limit)
    documents_each = 2 if mode == "bulk" else 1
    assert sum(len(data.splitlines()) for data in found) == 12_000 * documents_each
    assert rounds == 2


def test_characters_beyond_the_first_plane_have_room_in_parts() -> None:
    """As JSON each of them takes twelve bytes."""
    header = "srcaddr dstaddr bytes start end ecs-service-name"
    texts = [f"10.0.0.1 10.0.0.2 {number} 1418530010 1418530070 {chr(0x1F600) * 300}" for number in range(3000)]
    parts = done(planned(event("\n".join([header, *texts]).encode())))[1]
    assert max(map(len, parts)) <= MAX_PART_BYTES
    assert len(all_around(parts)[0]) == len(parts) > 1


def test_each_event_of_a_record_becomes_a_record_of_its_own() -> None:
    records = [payload(*lines(30)), f"{LINE}\n{LINE}".encode(), BROKEN.replace("99999", "80").encode()]
    found, rounds = all_around(records, mode="document", max_hops=1)
    assert rounds == 2
    assert len({json.loads(data)["event"]["id"] for data in found}) == len(found) == 33


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"no_reingestion": "because"}, "because"),
        ({}, "names no delivery stream"),
        ({"kinesis": True}, "names no partition key"),
    ],
)
def test_what_cannot_go_round_fails(change: dict[str, Any], reason: str) -> None:
    kinesis = bool(change.pop("kinesis", False))
    sent = event(payload(*lines(2)), kinesis=kinesis)
    if not change:
        sent.pop("deliveryStreamArn")
        sent["records"][0].pop("kinesisRecordMetadata", None)
    plan = planned(sent, mode="document", **change)
    assert plan.errands == []
    assert reason in plan.complaints[0].message
    assert judged(sent, response(plan.answers, 5_000_000)) == [("ProcessingFailed", b"")]


def test_a_loop_ends() -> None:
    """Somebody in between packs parts as tightly as can be, so that they never have room."""
    records, rounds = [payload(*lines(4))], 0
    while records and rounds < 10:
        rounds += 1
        sent = event(*records)
        plan = planned(sent, max_reply_bytes=3_000, max_hops=3)  # no document has room, ever
        put = done(plan)[1]
        assert bool(put) != bool(plan.complaints)
        records = [gzip.compress(gzip.decompress(one).rstrip()) for one in put[:1]]
    assert rounds == 4
    assert "3 times" in plan.complaints[0].message


@pytest.mark.parametrize(
    "mark", [{"hops": 0}, {"hops": -5}, {"hops": True}, {"hops": "1"}, {}, [], 1, {"hops": 1, "arrival_ms": "x"}]
)
def test_a_damaged_mark_makes_an_ordinary_record(mark: object) -> None:
    [(result, data)], _ = answered(payload(LINE, vpcflow=mark), mode="bulk")
    [(_, plain)], _ = answered(payload(LINE), mode="bulk")
    assert (result, data) == ("Ok", plain)
    [(result, _)], plan = answered(payload(*lines(2), vpcflow=mark), mode="document")
    assert len(plan.errands) == 1


def test_partition_keys_only_where_they_are_constant() -> None:
    keys = ("account", "region", "date", "hour", "action")
    tomorrow = LINE.replace("1418530070", "1418612870").replace("ACCEPT", "REJECT").replace("123456789010", "99")
    _, plan = answered(payload(LINE), payload(*lines(2)), payload(LINE, tomorrow), partition_keys=keys)
    assert [dict(answer.keys) for answer in plan.answers] == [
        {"account": "123456789010", "region": "eu-central-1", "date": "2014-12-14", "hour": "04", "action": "ACCEPT"},
        {"account": "123456789010", "region": "eu-central-1", "date": "2014-12-14"},
        {"region": "eu-central-1"},
    ]
    assert plan.answers[0].value()["metadata"]["partitionKeys"]["hour"] == "04"


def test_no_time_left_fails_what_was_not_read() -> None:
    sent = event(*[payload(*lines(3), tag=str(number)) for number in range(4)])
    asked = iter([False, False, False, True, True, True, True, True])
    plan = transform(parse_request(sent), DECODER, expired=lambda: next(asked))
    results = [result for result, _ in judged(sent, response(plan.answers, 5_000_000))]
    assert results == ["Ok", "ProcessingFailed", "ProcessingFailed", "ProcessingFailed"]
    assert len(plan.complaints) == 3


def test_a_bomb_is_not_unpacked() -> None:
    [(result, _)], plan = answered(payload(*[LINE] * 50_000), max_inflated_bytes=128_000_000, no_reingestion="off")
    assert result == "ProcessingFailed"
    small = Decoder(CodecOptions(max_inflated_bytes=100_000))
    sent = event(payload(*[LINE] * 50_000))
    plan = transform(parse_request(sent), small, Rules(max_inflated_bytes=100_000))
    assert plan.complaints[0].reasons == {"too_large": 1}


def test_ten_thousand_records() -> None:
    sent = event(*[line.encode() for line in lines(10_000)])
    assert len(json.dumps(sent)) < 6_000_000
    plan = planned(sent)
    reply, put = done(plan)
    results = [result for result, _ in judged(sent, reply)]
    assert results.count("Ok") > 1_500
    assert results.count("Dropped") == len(plan.errands) == 10_000 - results.count("Ok")
    assert len(put) == len(plan.errands)


def test_a_reply_over_the_limit_is_an_error_and_no_reply() -> None:
    sent = event(*[b"x" * 300] * 10_000)
    plan = planned(sent)
    with pytest.raises(ReplyError, match="BufferSizeInMBs"):
        response(plan.answers, 5_000_000)


def test_events_of_emulators_lack_ids() -> None:
    sent = {"records": [{"data": base64.b64encode(LINE.encode()).decode()}]}
    [record] = response(planned(sent).answers, 5_000_000)["records"]
    assert (record["recordId"], record["result"]) == (None, "Ok")


@pytest.mark.parametrize("data", ["%%%", "äöü", 'a"b\\', "YQ="])
def test_data_that_is_no_base64_is_kept(data: str) -> None:
    sent = {"records": [{"recordId": "a", "data": data}]}
    plan = planned(sent)
    assert judged(sent, response(plan.answers, 5_000_000)) == [("ProcessingFailed", b"")]
    assert "base64" in plan.complaints[0].message


@pytest.mark.parametrize("sent", [None, [], {}, {"Records": []}, {"records": [{}]}, {"records": [{"data": 1}]}])
def test_other_events_are_refused(sent: object) -> None:
    with pytest.raises(EventError):
        parse_request(sent)


TEXTS = st.lists(st.sampled_from([LINE, BROKEN, "", "garbage", "2 - - ü", *lines(3)]), max_size=12)
RECORDS = st.one_of(
    TEXTS.map(lambda texts: "\n".join(texts).encode()),
    TEXTS.map(lambda texts: payload(*texts)),
    TEXTS.map(lambda texts: json.dumps(message(*texts)).encode()),
    TEXTS.map(lambda texts: payload(*texts, vpcflow={"hops": 2, "arrival_ms": 1_418_530_000_000})),
    TEXTS.map(lambda texts: json.dumps({"message": "\n".join(texts)}).encode()),
    st.just(payload("probe", kind="CONTROL_MESSAGE")),
    st.integers(8, 40).map(lambda size: payload(*lines(size))),
    st.binary(max_size=40),
    st.binary(max_size=30).map(lambda noise: payload(LINE)[:-20] + noise),
)


@settings(max_examples=150, deadline=None)
@given(
    data=st.lists(RECORDS, max_size=8),
    mode=st.sampled_from(["documents", "bulk", "document"]),
    partial=st.sampled_from(["keep_good", "fail_record"]),
    off=st.sampled_from(["", "off"]),
    limit=st.integers(1, 60_000),
    keys=st.lists(st.sampled_from(["account", "date", "hour", "action"]), unique=True),
)
def test_any_mixture_keeps_the_contract(
    data: list[bytes], mode: Mode, partial: str, off: str, limit: int, keys: list[str]
) -> None:
    sent = event(*data)
    rules = Rules(
        mode=mode,
        keep_good=partial == "keep_good",
        no_reingestion=off,
        max_reply_bytes=limit,
        partition_keys=keys,
        max_bad_lines=5,
    )
    plan = transform(parse_request(sent), DECODER, rules)
    bare = [{"recordId": one["recordId"], "result": "ProcessingFailed", "data": one["data"]} for one in sent["records"]]
    least = len(json.dumps({"records": bare}))
    going = list(plan.answers)
    for errand in plan.errands:
        going[errand.number] = errand.then
    for answers in (plan.answers, going):
        try:
            reply = response(answers, limit)
        except ReplyError:
            assert least + len(", ") > limit  # not even the records as they came have room
            continue
        for result, ok in judged(sent, reply, limit):
            if result == "Ok" and mode == "document":
                assert json.loads(ok)["event"]["id"]
            elif result == "Ok":
                assert ids(ok) if mode == "bulk" else documents(ok)
    for errand in plan.errands:
        for part in errand.parts() if errand.parts else ():
            assert len(part) <= 1_024_000
