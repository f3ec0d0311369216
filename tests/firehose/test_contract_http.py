"""What an HTTP endpoint gets, and what becomes of a request by its response. Every page that a test rests on is

https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html, unless it names another.
"""

from __future__ import annotations

import base64
import gzip
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.firehose.emulator import limits
from tests.firehose.emulator.http_endpoint import Endpoint, HttpDestination
from tests.firehose.emulator.limits import Refused
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.scene import clock, failed, raw

JSON = {"Content-Type": "application/json"}


@dataclass
class Reply:
    """What the endpoint says. body None: what AWS wants, with the request's id."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    body: bytes | None = None
    told: dict[str, object] = field(default_factory=dict)
    length: bool = True
    hang_up: bool = False


GOOD = Reply()


class Peer(ThreadingHTTPServer):
    """An endpoint that answers from a list; the last answer stays."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.replies: list[Reply] = [GOOD]
        self.requests: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/flows?a=b"

    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.requests]


class _Answers(BaseHTTPRequestHandler):
    server: Peer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        reply = self.server.replies.pop(0) if len(self.server.replies) > 1 else self.server.replies[0]
        if reply.hang_up:
            return
        text = reply.body
        if text is None:
            usual = {"requestId": self.headers["X-Amz-Firehose-Request-Id"], "timestamp": 1}
            text = json.dumps(usual | reply.told).encode()
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.length:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def peer() -> Iterator[Peer]:
    server = Peer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


Sending = Callable[..., tuple[DeliveryStream, HttpDestination]]


@pytest.fixture
def sending(peer: Peer) -> Sending:
    def sending(**endpoint: Any) -> tuple[DeliveryStream, HttpDestination]:  # noqa: ANN401 - of Endpoint
        destination = HttpDestination(Endpoint(**{"url": peer.url, "seconds": 0, **endpoint}))
        stream = DeliveryStream(
            "flows", destination, clock=clock(), error_prefix="errors/!{firehose:error-output-type}/"
        )
        return stream, destination

    return sending


def test_the_request_has_the_headers_and_the_body_that_aws_names(peer: Peer, sending: Sending) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html."""
    stream, destination = sending(access_key="secret", attributes={"env": "prod"})
    stream.put_record_batch([b"a", b"bc"])
    stream.drain()
    ((path, headers, body),) = peer.requests
    told = json.loads(body)
    assert path == "/v1/flows?a=b"
    assert headers["X-Amz-Firehose-Protocol-Version"] == "1.0"
    assert headers["X-Amz-Firehose-Request-Id"] == told["requestId"] == str(uuid.UUID(told["requestId"]))
    assert headers["X-Amz-Firehose-Source-Arn"] == stream.arn
    assert headers["X-Amz-Firehose-Access-Key"] == "secret"
    assert json.loads(headers["X-Amz-Firehose-Common-Attributes"]) == {"commonAttributes": {"env": "prod"}}
    assert headers["Content-Type"] == "application/json"
    assert "Content-Encoding" not in headers
    assert told["timestamp"] == stream.clock.wall_ms()
    assert [base64.b64decode(record["data"]) for record in told["records"]] == [b"a", b"bc"]
    assert all(set(record) == {"data"} for record in told["records"])
    assert destination.delivered == 2


def test_the_body_may_be_compressed(peer: Peer, sending: Sending) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html."""
    stream, destination = sending(compressed=True)
    stream.put_record_batch([b"a"])
    stream.drain()
    _, headers, body = peer.requests[0]
    assert headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(body))["records"]
    assert destination.delivered == 1


def test_a_request_has_at_most_10000_records(peer: Peer, sending: Sending) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html: maxItems."""
    stream, _ = sending(seconds=300)
    for _ in range(21):
        stream.put_record_batch([b"x"] * 500)
    stream.drain()
    assert sorted(len(body["records"]) for body in peer.bodies()) == [500, 10_000]


def test_the_buffer_has_a_size_and_an_interval(peer: Peer, sending: Sending) -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_HttpEndpointBufferingHints.html."""
    stream, _ = sending(seconds=60, megabytes=1)
    stream.put_record_batch([b"x" * (limits.MEGABYTE // 2)] * 3)
    stream.run_for(1)
    assert [len(body["records"]) for body in peer.bodies()] == [2]
    stream.run_for(60)
    assert [len(body["records"]) for body in peer.bodies()] == [2, 1]


@pytest.mark.parametrize(
    "endpoint",
    [
        {"megabytes": 65},
        {"retry_seconds": 7201},
        {"access_key": "x" * 4097},
        {"attributes": dict.fromkeys(map(str, range(51)), "")},
    ],
)
def test_endpoints_that_aws_refuses(endpoint: dict[str, Any], sending: Sending) -> None:
    """https://docs.aws.amazon.com/firehose/latest/APIReference/API_HttpEndpointDestinationConfiguration.html."""
    with pytest.raises(Refused):
        sending(**endpoint)


def test_an_error_is_tried_again_with_the_same_id_and_growing_pauses(peer: Peer, sending: Sending) -> None:
    """1 s doubled, ± 15 %, no more than 120 s: https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html."""
    peer.replies = [Reply(status=500)] * 10 + [GOOD]
    stream, destination = sending(retry_seconds=7200)
    stream.put_record_batch([b"a"])
    stream.drain()
    assert len({body["requestId"] for body in peer.bodies()}) == 1
    assert len({headers["X-Amz-Firehose-Request-Id"] for _, headers, _ in peer.requests}) == 1
    pauses = [later - sooner for sooner, later in zip(destination.attempts, destination.attempts[1:], strict=False)]
    wanted = [1, 2, 4, 8, 16, 32, 64, 120, 120, 120]
    assert all(0.85 * want - 0.001 <= pause <= 1.15 * want + 0.001 for pause, want in zip(pauses, wanted, strict=True))
    assert (destination.delivered, failed(stream, "http-endpoint-failed")) == (1, [])


def test_after_the_retry_duration_the_records_are_kept(peer: Peer, sending: Sending) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/retry.html. *Assumed*: the counter starts at the first failure."""
    peer.replies = [Reply(status=503, told={"errorMessage": "down"})]
    stream, destination = sending(retry_seconds=60)
    stream.put_record_batch([b"a", b"b"])
    stream.drain()
    entries = failed(stream, "http-endpoint-failed")
    assert [raw(entry) for entry in entries] == [b"a", b"b"]
    assert set(entries[0]) == {
        "attemptsMade", "arrivalTimestamp", "errorCode", "errorMessage", "attemptEndingTimestamp", "rawData",
        "subsequenceNumber", "dataId",
    }  # fmt: skip
    assert entries[0]["errorCode"] == "HttpEndpoint.DestinationException"
    assert "down" in entries[0]["errorMessage"]
    assert entries[0]["attemptsMade"] == len(peer.requests) == len(destination.attempts) >= 5
    assert destination.attempts[-1] <= 60


def test_without_a_retry_duration_there_is_one_attempt(peer: Peer, sending: Sending) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/retry.html."""
    peer.replies = [Reply(status=500)]
    stream, _ = sending(retry_seconds=0)
    stream.put_record_batch([b"a"])
    stream.drain()
    assert len(peer.requests) == 1
    assert len(failed(stream, "http-endpoint-failed")) == 1


def test_413_is_final_and_kept_nowhere(peer: Peer, sending: Sending) -> None:
    """ "413 … is considered as a permanent failure and the record batch is not sent to error bucket": data is lost.

    https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html.
    """
    peer.replies = [Reply(status=413), GOOD]
    stream, destination = sending()
    stream.put_record_batch([b"a"])
    stream.drain()
    assert len(peer.requests) == 1
    assert [record.data for record in destination.lost] == [b"a"]
    assert stream.bucket.objects == {}


BAD = {
    "another 2xx": Reply(status=201),
    "a redirect": Reply(status=302, headers={**JSON, "Location": "/"}),
    "unauthorized": Reply(status=401),
    "no JSON type": Reply(headers={"Content-Type": "text/plain"}),
    "no type": Reply(headers={}),
    "an encoding": Reply(headers={**JSON, "Content-Encoding": "gzip"}),
    "no length": Reply(length=False),
    "no JSON": Reply(body=b"ok"),
    "no object": Reply(body=b"[]"),
    "another id": Reply(told={"requestId": "other"}),
    "no time": Reply(body=b'{"requestId":"other"}'),
    "a time as text": Reply(told={"timestamp": "1"}),
    "a message that is no text": Reply(told={"errorMessage": 1}),
    "over 1 MiB": Reply(body=b" " * (1024 * 1024 + 1)),
    "a long message": Reply(told={"errorMessage": "x" * 8193}),
    "nothing": Reply(hang_up=True),
}


@pytest.mark.parametrize("name", BAD)
def test_whatever_is_not_a_proper_200_is_tried_again(name: str, peer: Peer, sending: Sending) -> None:
    """A malformed response counts as 500 without a body.

    https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html.
    """
    peer.replies = [BAD[name], GOOD]
    stream, destination = sending()
    stream.put_record_batch([b"a"])
    stream.drain()
    assert (len(peer.requests), destination.delivered, stream.bucket.objects) == (2, 1, {})


def test_an_endpoint_that_is_away_is_tried_again(sending: Sending) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/retry.html. *Assumed*: the code of the entry."""
    stream, destination = sending(url="http://127.0.0.1:9/", retry_seconds=10)
    stream.put_record_batch([b"a"])
    stream.drain()
    assert len(destination.attempts) > 2
    assert [raw(entry) for entry in failed(stream, "http-endpoint-failed")] == [b"a"]
