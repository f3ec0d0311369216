"""Requests that are settled, in real engines."""

from __future__ import annotations

import gzip
import http.client
import json
import ssl
from pathlib import Path

import pytest

from tests.receiver.conftest import Serve, Target, target_at, unique, until
from tests.receiver.firehose import ARN, KEY, Sent, cloudwatch, lines, post
from tests.sink.peers import Authority
from vpcflow.codec import Decoder
from vpcflow.codec.origins import kinesis_origin
from vpcflow.settings.decoding import codec_options

pytestmark = pytest.mark.stack


def ids(target: Target, name: str = "") -> list[str]:
    return [hit["_id"] for hit in target.documents(name)]


def test_events_and_lines_are_documents_when_200_is_read(serve: Serve, target: Target) -> None:
    receiver = serve(target.url, target.name)
    events = cloudwatch(0, 3)
    sent = Sent([gzip.compress(events), lines(3, 2)], packed=True)
    assert post(receiver.port, sent).status == 200
    found = target.documents()
    assert [hit["_source"]["network"]["bytes"] for hit in found] == [0, 1, 2, 3, 4]
    assert found[4]["_source"]["aws"]["firehose"] == {"arn": ARN, "request_id": sent.request_id}
    # An event has the id that it has on any other path.
    origin = kinesis_origin(stream="s", shard="0", sequence="1", subsequence=0)
    (chunk,) = Decoder(codec_options(target.settings)).decode(events, origin)
    elsewhere = [json.loads(action)["create"]["_id"] for action in chunk.body.split(b"\n")[0:-1:2]]
    assert ids(target)[:3] == elsewhere
    assert receiver.metric("records_total") == 2
    assert receiver.get("/readyz")[0] == 200


def test_a_request_that_comes_again_doubles_nothing(serve: Serve, target: Target) -> None:
    receiver = serve(target.url, target.name)
    sent = Sent([lines(0, 4), lines(4, 4)])
    lost = http.client.HTTPConnection("127.0.0.1", receiver.port)
    lost.request("POST", "/", sent.body, sent.headers)
    until(lambda: receiver.requests("settled") == 1, "the first request is settled")
    lost.close()  # its answer was never read
    before = ids(target)
    assert post(receiver.port, sent).status == 200
    assert ids(target) == before
    assert len(before) == 8
    assert receiver.metric('documents_total{outcome="duplicate"}') == 8
    # Another request with the same lines is another eight flows.
    assert post(receiver.port, Sent(sent.records)).status == 200
    assert target.count() == 16


def test_a_line_that_cannot_be_decoded_is_kept_before_200(serve: Serve, target: Target) -> None:
    receiver = serve(target.url, target.name)
    sent = Sent([lines(0, 2) + b"no flow log\n" + lines(2, 1), b"\x1f\x8bbroken"])
    assert post(receiver.port, sent).status == 200
    assert target.count() == 3
    bad, broken = receiver.dead_letters()
    assert (bad["raw"], bad["position"], bad["source"]) == ("no flow log", 2, "firehose:flows")
    assert bad["identity"]["aws.firehose.request_id"] == sent.request_id
    assert bad["identity"]["sequence"] == "0"
    assert (broken["reason"], broken["position"]) == ("gzip", -1)


def test_a_delivery_stream_names_its_data_stream(serve: Serve, target: Target) -> None:
    receiver = serve(target.url, target.name)
    other = unique()
    target.prepare(other)
    named = Sent([lines(0, 2)], attributes={"es_datastream_name": other, "anything": "else"})
    assert post(receiver.port, named).status == 200
    assert post(receiver.port, Sent([lines(0, 1)])).status == 200
    assert (target.count(other), target.count()) == (2, 1)
    source = target.documents(other)[0]["_source"]
    assert source["data_stream"]["namespace"] == other.removeprefix("logs-aws.vpcflow-")


def test_a_data_stream_without_a_template_is_not_begun(serve: Serve, each_engine: str) -> None:
    receiver = serve(each_engine, "", receiver={"data_streams": ["*"]})
    target_at(each_engine, "logs-aws.vpcflow-default").sink.close()
    until(lambda: receiver.get("/readyz")[0] == 200, "ready")
    stray = Sent([lines(0, 1)], attributes={"es_datastream_name": "nothing-knows-this"})
    answer = post(receiver.port, stray)
    assert answer.status == 503
    assert "no index template makes a data stream of nothing-knows-this" in answer.message
    assert receiver.said("request not settled")[0]["level"] == "error"
    assert receiver.requests("refused") == 1
    assert receiver.get("/readyz")[0] == 200  # others may come
    assert not receiver.said("not ready")


def test_what_our_lambda_made_is_passed_on(serve: Serve, target: Target) -> None:
    receiver = serve(target.url, target.name)
    events = cloudwatch(0, 3)
    origin = kinesis_origin(stream="s", shard="0", sequence="1", subsequence=0)
    (chunk,) = Decoder(codec_options(target.settings)).decode(events, origin)
    assert post(receiver.port, Sent([chunk.body])).status == 200
    assert post(receiver.port, Sent([events])).status == 200  # the same flows from another delivery stream
    assert target.count() == 3
    assert receiver.metric('documents_total{outcome="duplicate"}') == 3
    assert post(receiver.port, Sent([b'{"delete":{"_id":"x"}}\n' + chunk.body])).status == 200
    assert target.count() == 3
    assert receiver.dead_letters()[0]["message"] == "bulk operation 'delete': only create is passed on"


@pytest.mark.slow
def test_ten_thousand_records(serve: Serve, target: Target) -> None:
    receiver = serve(target.url, target.name)
    end = lines(0, 1).split()[11].decode()
    sent = Sent([lines(number, 1, end=int(end)) for number in range(10_000)], packed=True)
    assert post(receiver.port, sent).status == 200
    assert target.count() == 10_000
    assert post(receiver.port, Sent([b""] * 20_001)).status == 503


def test_chunks_and_no_records_at_all(serve: Serve, one_target: Target) -> None:
    receiver = serve(one_target.url, one_target.name)
    sent = Sent([lines(0, 3)])
    body = sent.body
    pieces = (body[at : at + 50] for at in range(0, len(body), 50))
    assert post(receiver.port, sent, body=pieces).status == 200
    assert post(receiver.port, Sent([])).status == 200
    assert one_target.count() == 3


def test_64_mib(serve: Serve, one_target: Target) -> None:
    receiver = serve(one_target.url, one_target.name, codec={"exclude_log_groups": ["noise"]})
    record = cloudwatch(0, 100, group="noise", pad="x" * 7_300)
    assert 700_000 < len(record) < 1_024_000
    sent = Sent([*[record] * 66, lines(0, 1)])
    body = sent.body
    body += b" " * (64 * 1024 * 1024 - len(body))
    assert post(receiver.port, sent, body=body).status == 200
    assert one_target.count() == 1
    assert receiver.metric('lines_total{kind="skipped"}') == 6_600


def test_tls_without_a_load_balancer(serve: Serve, one_target: Target, tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    certificate, key, _ = authority.issue("127.0.0.1")
    files = {"certificate": str(certificate), "key": str(key)}
    receiver = serve(one_target.url, one_target.name, receiver=files)
    trusting = ssl.create_default_context(cafile=str(authority.path))
    assert post(receiver.port, Sent([lines(0, 1)]), tls=trusting).status == 200
    assert one_target.count() == 1
    with pytest.raises(ssl.SSLCertVerificationError):
        post(receiver.port, Sent([lines(0, 1)]), tls=ssl.create_default_context())


def test_a_key_that_was_changed_is_read_again(serve: Serve, one_target: Target, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(KEY)
    receiver = serve(one_target.url, one_target.name, receiver={"access_key": f"file:{file}"})
    assert post(receiver.port, Sent([lines(0, 1)])).status == 200
    file.write_text("another")
    new = {"X-Amz-Firehose-Access-Key": "another"}
    assert post(receiver.port, Sent([lines(1, 1)]), headers=new).status == 200
    assert post(receiver.port, Sent([lines(2, 1)])).status == 401


def test_two_keys_while_one_is_being_changed(serve: Serve, one_target: Target) -> None:
    receiver = serve(one_target.url, one_target.name, receiver={"access_key": "new", "access_key_previous": KEY})
    for key, status in (("new", 200), (KEY, 200), ("older", 401), ("", 401)):
        headers = {"X-Amz-Firehose-Access-Key": key}
        assert post(receiver.port, Sent([lines(0, 1)]), headers=headers).status == status
    shown = receiver.file.read_text()
    assert "older" not in shown
    assert KEY not in shown


def test_each_request_is_logged_where_it_is_wanted(serve: Serve, one_target: Target) -> None:
    receiver = serve(one_target.url, one_target.name, receiver={"log_requests": True})
    sent = Sent([lines(0, 1), lines(1, 1)])
    post(receiver.port, sent)
    (line,) = receiver.said("request")
    assert (
        line.items()
        >= {
            "request_id": sent.request_id,
            "source": ARN,
            "status": 200,
            "result": "settled",
            "records": 2,
            "bytes": len(sent.body),
            "level": "info",
        }.items()
    )
    assert "10.0.0.1" not in receiver.file.read_text()
