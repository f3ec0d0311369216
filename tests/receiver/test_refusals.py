"""What is not settled: told by status, never by 413, logged and counted by cause. Against a receiver whose engine is away."""

from __future__ import annotations

import base64
import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.receiver.conftest import Receiver, Serve, _started, toml, until
from tests.receiver.firehose import ARN, KEY, Answer, Sent, lines, post, violations
from tests.sink.peers import Authority, encrypt
from vpcflow.cli.main import main

NOBODY = "http://127.0.0.1:9"
SMALL = {"max_request_bytes": 2_000, "max_inflated_bytes": 20_000, "max_buffered_bytes": 100_000, "max_records": 50}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    """One for all tests here, with small limits."""
    made = _started(tmp_path_factory.mktemp("refusals"), NOBODY, "", {"receiver": SMALL})
    yield made
    assert made.stop() == 0


def test_the_judge_sees_what_is_wrong() -> None:
    body = b'{"requestId":"a","timestamp":1}'
    headers = [("Content-Type", "text/plain"), ("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")]
    assert len(violations(Answer(413, headers, body), "b")) == 8
    assert violations(Answer(200, [], b"no"), "a")[-1] == "the body is not JSON"


ID = "X-Amz-Firehose-Request-Id"
REFUSED: list[tuple[dict[str, str | None], dict[str, Any], int, str]] = [
    ({"X-Amz-Firehose-Access-Key": None}, {}, 401, "unauthorized"),
    ({"X-Amz-Firehose-Access-Key": KEY + "x"}, {}, 401, "unauthorized"),
    ({"X-Amz-Firehose-Access-Key": "k\xe4y"}, {}, 401, "unauthorized"),
    ({}, {"path": "/elsewhere"}, 404, "elsewhere"),
    ({}, {"method": "PUT"}, 405, "elsewhere"),
    ({ID: None}, {}, 400, "invalid"),
    ({ID: "another"}, {}, 400, "invalid"),
    ({"Content-Type": "text/plain"}, {}, 400, "invalid"),
    ({"Content-Type": None}, {}, 400, "invalid"),
    ({"Content-Encoding": "br"}, {}, 400, "invalid"),
    ({"X-Amz-Firehose-Protocol-Version": "2.0"}, {}, 400, "invalid"),
    ({"X-Amz-Firehose-Common-Attributes": "[]"}, {}, 400, "invalid"),
    ({"X-Amz-Firehose-Common-Attributes": '{"commonAttributes":{"es_datastream_name":"Logs-X"}}'}, {}, 400, "invalid"),
    ({"X-Amz-Firehose-Common-Attributes": '{"commonAttributes":{"es_datastream_name":"logs-nginx-default"}}'}, {}, 400,
     "invalid"),
    ({}, {"body": b""}, 400, "invalid"),
    ({}, {"body": b"{"}, 400, "invalid"),
    ({}, {"body": b"[1]"}, 400, "invalid"),
    ({}, {"body": b"\xff\xfe"}, 400, "invalid"),
    ({}, {"body": b"[" * 1_500}, 400, "invalid"),
    ({"Content-Encoding": "gzip"}, {"body": b"no gzip"}, 400, "invalid"),
    ({"Content-Encoding": "gzip"}, {"body": gzip.compress(b"{}")[:-6]}, 400, "invalid"),
    ({"Content-Encoding": "gzip"}, {"body": gzip.compress(b"{}")}, 400, "invalid"),
    ({"Content-Encoding": "gzip"}, {"body": gzip.compress(b" " * 20_001)}, 503, "too_large"),
    ({}, {"body": b" " * 2_001}, 503, "too_large"),
    ({}, {"body": [b" " * 999, b" " * 1_002]}, 503, "too_large"),
    ({}, {"body": b'{"records":[' + b'{"data":""},' * 51}, 503, "too_large"),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "how", "status", "result"), REFUSED)
def test_each_refusal(
    receiver: Receiver, headers: dict[str, str | None], how: dict[str, Any], status: int, result: str
) -> None:
    before = receiver.requests(result)
    answer = post(receiver.port, Sent([lines(0, 1)]), headers=headers, **how)
    assert answer.status == status, answer.message
    assert answer.message
    assert "\n" not in answer.message
    assert KEY not in answer.message
    assert receiver.requests(result) == before + 1


BODIES: list[object] = [
    {"requestId": "r", "timestamp": 1},
    {"requestId": "r", "records": []},
    {"timestamp": 1, "records": []},
    {"requestId": 7, "timestamp": 1, "records": []},
    {"requestId": "r", "timestamp": "1", "records": []},
    {"requestId": "r", "timestamp": -1, "records": []},
    {"requestId": "r", "timestamp": 10**18, "records": []},
    {"requestId": "r", "timestamp": 1, "records": {}},
    {"requestId": "r", "timestamp": 1, "records": [{}]},
    {"requestId": "r", "timestamp": 1, "records": [{"data": 1}]},
    {"requestId": "r", "timestamp": 1, "records": [{"data": "%%%"}]},
    {"requestId": "r", "timestamp": 1, "records": ["aGVsbG8="]},
    "text",
    None,
]


@pytest.mark.parametrize("body", BODIES)
def test_a_body_that_is_none_of_firehoses(receiver: Receiver, body: object) -> None:
    answer = post(receiver.port, Sent(request_id="r"), body=json.dumps(body).encode())
    assert (answer.status, receiver.process.poll()) == (400, None)


def test_an_engine_that_is_away_is_503_and_not_ready(receiver: Receiver) -> None:
    answer = post(receiver.port, Sent([lines(0, 1)]))
    assert answer.status == 503
    assert "no usable answer" in answer.message
    status, body = receiver.get("/readyz")
    assert status == 503
    assert "no usable answer" in json.loads(body)["problems"][0]["reason"]
    assert receiver.get("/healthz")[0] == 200
    assert receiver.get("/nothing")[0] == 404
    assert receiver.get("/readyz", receiver.port) == (
        503,
        '{"ready":false,"problems":[]}\n',
    )  # no hosts are told outside
    assert receiver.get("/healthz", receiver.port)[0] == 200
    assert receiver.metric("ready") == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.one_of(st.integers(0, 6_000), st.sampled_from([1_999, 2_000, 2_001, 70_000, 3_000_000])),
    shape=st.sampled_from(["plain", "gzip", "chunked"]),
    records=st.integers(0, 60),
)
def test_no_size_of_anything_is_413(receiver: Receiver, size: int, shape: str, records: int) -> None:
    made = [{"data": base64.b64encode(b"x" * (size // max(records, 1))).decode()}] * records
    text = json.dumps({"requestId": "r", "timestamp": 1_700_000_000_000, "records": made}).encode() + b" " * size
    body: Any = {"plain": text, "gzip": gzip.compress(text), "chunked": [text[:100], text[100:]]}[shape]
    headers = {"Content-Encoding": "gzip" if shape == "gzip" else None}
    answer = post(receiver.port, Sent(request_id="r"), body=body, headers=headers)
    assert answer.status == 503, answer.message


def test_a_gzip_bomb_costs_little_memory(serve: Serve) -> None:
    receiver = serve(NOBODY)
    post(receiver.port, Sent([lines(0, 1)]))
    before = peak(receiver)
    bomb = gzip.compress(b" " * 10_000_000) * 100  # a gigabyte
    answer = post(receiver.port, Sent(), body=bomb, headers={"Content-Encoding": "gzip"})
    assert (answer.status, "max_inflated_bytes" in answer.message) == (503, True)
    assert peak(receiver) - before < 200_000_000
    (line,) = [one for one in receiver.said("request not settled") if one["result"] == "too_large"]
    assert (line["level"], line["source"], line["bytes"]) == ("error", ARN, len(bomb))


def peak(receiver: Receiver) -> int:
    """Return the most memory that the process ever had, in bytes."""
    status = Path(f"/proc/{receiver.process.pid}/status").read_text()
    (line,) = [one for one in status.splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def test_the_same_complaint_is_not_written_for_each_request(receiver: Receiver) -> None:
    for _ in range(20):
        post(receiver.port, Sent(), path="/scan")
    scans = [line for line in receiver.said("request not settled") if line["result"] == "elsewhere"]
    assert 1 <= len(scans) < 10
    assert all("source" not in line for line in scans)  # a stranger could write anything there


def test_a_head_without_end_is_hung_up_on(receiver: Receiver) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with pytest.raises(OSError):  # noqa: PT012 - the kernel takes some of it before it says so
            for _ in range(10_000):
                client.sendall(b"x" * 10_000)
                client.settimeout(0.001)
                try:
                    assert client.recv(1) == b""
                    raise ConnectionResetError
                except TimeoutError:
                    client.settimeout(30)
    assert receiver.get("/healthz")[0] == 200


def test_a_sender_that_hangs_up_leaves_nothing_behind(receiver: Receiver) -> None:
    before = receiver.requests("gone")
    sent = Sent([lines(0, 1)])
    head = "".join(f"{name}: {value}\r\n" for name, value in sent.headers.items())
    with socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as client:
        client.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 1000\r\n\r\n{{".encode())
        until(lambda: receiver.metric("firehose_requests_in_progress") == 1, "the request is being read")
    until(lambda: receiver.requests("gone") == before + 1, "it is noticed")
    until(lambda: receiver.metric("firehose_requests_in_progress") == 0, "its place is free")


WRONG_SETTINGS = [
    ({"access_key": ""}, "receiver.access_key: empty"),
    ({"listen": "8443"}, "receiver.listen: 8443: no HOST:PORT"),
    ({"listen": "127.0.0.1:99999"}, "receiver.listen: 127.0.0.1:99999: no HOST:PORT"),
    ({"certificate": "/nowhere.pem"}, "receiver.certificate: /nowhere.pem cannot be used: No such file"),
    ({"certificate": __file__}, f"receiver.certificate: {__file__} cannot be used: "),
    ({"key": "/nowhere.key"}, "receiver.key: there is no receiver.certificate"),
    ({"max_buffered_bytes": 1}, "receiver.max_buffered_bytes: less than"),
    ({"access_key": "", "access_key_previous": "old"}, "receiver.access_key_previous: there is no receiver.access_key"),
    ({"data_streams": []}, "receiver.data_streams: empty"),
    ({"request_seconds": 176}, "receiver.request_seconds"),
    ({"path": "firehose"}, "receiver.path"),
]


@pytest.mark.parametrize(("changes", "message"), WRONG_SETTINGS)
def test_wrong_settings_are_one_line_and_78(
    changes: dict[str, object],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "vpcflow.toml"
    base: dict[str, object] = {"listen": "127.0.0.1:0", "admin_listen": "", "access_key": KEY, **changes}
    letters = {"path": str(tmp_path / "letters"), "accept_loss": True}
    file.write_text(toml({"receiver": base, "deadletters": letters}))
    assert main(["serve", "firehose", "--settings", str(file)]) == 78
    error = capsys.readouterr().err
    assert error.startswith(f"vpcflow: {message}")
    assert error.count("\n") == 1


def test_a_key_with_a_password_is_78_and_no_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    certificate, key, _ = Authority(tmp_path, "ours").issue("127.0.0.1")
    encrypt(key)
    file = tmp_path / "vpcflow.toml"
    tls = {"certificate": str(certificate), "key": str(key)}
    letters = {"path": str(tmp_path / "letters"), "accept_loss": True}
    keys = {"listen": "127.0.0.1:0", "admin_listen": "", "access_key": KEY, **tls}
    file.write_text(toml({"receiver": keys, "deadletters": letters}))
    assert main(["serve", "firehose", "--settings", str(file)]) == 78
    assert "without a password" in capsys.readouterr().err


def test_a_port_that_is_taken_is_78(receiver: Receiver, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "vpcflow.toml"
    file.write_text(toml({"receiver": {"listen": f"127.0.0.1:{receiver.port}", "access_key": KEY}}))
    assert main(["serve", "firehose", "--settings", str(file)]) == 78
    assert "Address already in use; name another address" in capsys.readouterr().err
