from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from firehose_transform.events import EventError, parse_request
from firehose_transform.transform import MAX_REPLY_BYTES, Complaint, transform
from vpcflow.codec import Decoder

ARRIVAL = 1_418_530_100_000
LINE = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
BROKEN = LINE.replace(" 22 ", " 99999 ")


def payload(*lines: str, kind: str = "DATA_MESSAGE") -> bytes:
    events = [
        {"id": f"{number:056d}", "timestamp": 1_418_530_010_000, "message": line} for number, line in enumerate(lines)
    ]
    body = {"messageType": kind, "owner": "1", "logGroup": "g", "logStream": "s", "logEvents": events}
    return gzip.compress(json.dumps(body).encode())


def answer(*data: bytes) -> tuple[list[dict[str, Any]], list[Complaint]]:
    records = [
        {"recordId": f"r{number}", "approximateArrivalTimestamp": ARRIVAL, "data": base64.b64encode(one).decode()}
        for number, one in enumerate(data)
    ]
    complaints: list[Complaint] = []
    event = {"invocationId": "i", "deliveryStreamArn": "arn:aws:firehose:x:1:deliverystream/d", "records": records}
    return transform(parse_request(event), Decoder(), complaints.append)["records"], complaints


def test_one_event_gives_one_document_that_ends_in_a_newline() -> None:
    [record], complaints = answer(payload(LINE))
    text = base64.b64decode(record["data"])
    assert (record["recordId"], record["result"], complaints) == ("r0", "Ok", [])
    assert text.endswith(b"}\n")
    assert json.loads(text)["source"]["ip"] == "172.31.16.139"


def test_every_record_is_answered_in_its_place() -> None:
    wrapper = json.dumps({"message": LINE}).encode() + b"\n"
    records, complaints = answer(
        payload(LINE), payload("x", kind="CONTROL_MESSAGE"), b"\x1f\x8bnot gzip", wrapper, LINE.encode()
    )
    assert [(one["recordId"], one["result"]) for one in records] == [
        ("r0", "Ok"), ("r1", "Dropped"), ("r2", "ProcessingFailed"), ("r3", "Ok"), ("r4", "Ok"),
    ]  # fmt: skip
    assert [one.record_id for one in complaints] == ["r2"]
    assert base64.b64decode(records[2]["data"]) == b"\x1f\x8bnot gzip"


def test_a_bad_line_fails_its_record_with_its_data_and_says_why() -> None:
    raw = payload(LINE, BROKEN)
    [record], [complaint] = answer(raw)
    assert record["result"] == "ProcessingFailed"
    assert base64.b64decode(record["data"]) == raw
    assert complaint.reasons == {"value": 1}
    assert "99999" in complaint.message


def test_the_reply_stays_below_its_limit_and_nothing_is_left_out() -> None:
    many = [LINE.replace("20641", str(port)) for port in range(1, 3000)]
    raw = payload(*many)
    records, complaints = answer(raw, raw)
    assert [one["result"] for one in records] == ["Ok", "ProcessingFailed"]
    assert len(json.dumps({"records": records})) <= MAX_REPLY_BYTES
    assert "limit" in complaints[0].message


def test_events_of_emulators_lack_ids() -> None:
    event = {"records": [{"data": base64.b64encode(LINE.encode()).decode()}]}
    [record] = transform(parse_request(event), Decoder(), print)["records"]
    assert (record["recordId"], record["result"]) == (None, "Ok")


def test_data_that_is_no_base64_is_kept() -> None:
    complaints: list[Complaint] = []
    event = {"records": [{"recordId": "a", "data": "%%%"}]}
    [record] = transform(parse_request(event), Decoder(), complaints.append)["records"]
    assert (record["result"], record["data"]) == ("ProcessingFailed", "%%%")
    assert "base64" in complaints[0].message


@pytest.mark.parametrize("event", [None, [], {}, {"Records": []}, {"records": [{}]}, {"records": [{"data": 1}]}])
def test_other_events_are_refused(event: object) -> None:
    with pytest.raises(EventError):
        parse_request(event)
