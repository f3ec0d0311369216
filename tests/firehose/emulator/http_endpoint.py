"""The HTTP endpoint destination: real requests to a URL, on simulated time between them.

https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html. AWS sends to https on port 443 only; here
any URL is taken, because the servers of tests are on loopback.
"""

from __future__ import annotations

import gzip
import json
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import urlsplit

from tests.firehose.emulator import limits
from tests.firehose.emulator.attempts import Delivery
from tests.firehose.emulator.buffering import Buffer
from tests.firehose.emulator.destinations import Surroundings
from tests.firehose.emulator.limits import within
from tests.firehose.emulator.records import Failure, Record, b64

_BODY_ROOM = 16 * limits.HTTP_RECORDS + 2 * limits.MAX_RECORD_BYTES  # around the data, and for the last record
_RAW_BYTES = (limits.HTTP_BODY_BYTES - _BODY_ROOM) * 3 // 4
FINAL = 413


class NotDelivered(Exception):
    """The endpoint did not take the request."""

    def __init__(self, failure: Failure, *, final: bool = False) -> None:
        super().__init__(failure.message)
        self.failure, self.final = failure, final


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """What an HTTP endpoint destination is configured with. response_seconds: real seconds, AWS waits for 180."""

    url: str
    access_key: str = ""
    attributes: Mapping[str, str] | None = None
    compressed: bool = False
    megabytes: float = 5
    seconds: float = 300
    retry_seconds: float = 300
    response_seconds: float = limits.HTTP_RESPONSE_SECONDS
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        within("SizeInMBs", self.megabytes, limits.HTTP_MEGABYTES)
        within("IntervalInSeconds", self.seconds, limits.DESTINATION_SECONDS)
        within("DurationInSeconds", self.retry_seconds, limits.RETRY_SECONDS)
        within("bytes of AccessKey", len(self.access_key.encode()), (0, limits.ACCESS_KEY_BYTES))
        within("CommonAttributes", len(self.attributes or {}), (0, limits.COMMON_ATTRIBUTES))


class HttpDestination:
    """`lost`: records that were answered 413, which AWS keeps nowhere."""

    def __init__(self, endpoint: Endpoint, *, seed: int = 1) -> None:
        self._endpoint, self._pick = endpoint, random.Random(seed)
        self._deliveries: list[Delivery] = []
        self.attempts: list[float] = []
        self.lost: list[Record] = []
        self.delivered = 0

    def start(self, around: Surroundings) -> None:
        self._around = around
        self._buffer = Buffer(
            max_bytes=min(self._endpoint.megabytes * limits.MEGABYTE, _RAW_BYTES),
            seconds=self._endpoint.seconds,
            now=around.clock.monotonic,
            most=limits.HTTP_RECORDS,
        )

    def add(self, record: Record) -> None:
        self._buffer.add(record)

    def due(self) -> float | None:
        moments = [self._buffer.due(), *(delivery.at for delivery in self._deliveries)]
        return min((moment for moment in moments if moment is not None), default=None)

    def step(self) -> None:
        now = self._around.clock.monotonic()
        moment = self._buffer.due()
        if moment is not None and moment <= now:
            self._deliveries.append(Delivery(self._buffer.take(), now))
        delivery = min(self._deliveries, key=lambda one: one.at)
        self._deliveries.remove(delivery)
        delivery.attempts += 1
        self.attempts.append(now)
        try:
            self._send(delivery)
        except NotDelivered as error:
            self._not_delivered(delivery, error)
        else:
            self.delivered += len(delivery.records)

    def _not_delivered(self, delivery: Delivery, error: NotDelivered) -> None:
        if error.final:
            self.lost += delivery.records
        elif delivery.again(self._around.clock.monotonic(), self._endpoint.retry_seconds, self._pick):
            self._deliveries.append(delivery)
        else:
            for place, record in enumerate(delivery.records):
                failure = Failure(code=error.failure.code, message=error.failure.message, attempts=delivery.attempts)
                more = {"subsequenceNumber": 0, "dataId": f"{record.record_id}.{place}"}
                self._around.failed("http-endpoint-failed", record, failure, more)

    def _send(self, delivery: Delivery) -> None:
        """Send once. Raises NotDelivered."""
        body = json.dumps(
            {
                "requestId": delivery.id,
                "timestamp": self._around.clock.wall_ms(),
                "records": [{"data": b64(record.data)} for record in delivery.records],
            }
        ).encode()
        assert len(body) <= limits.HTTP_BODY_BYTES
        if self._endpoint.compressed:
            body = gzip.compress(body)
        connection = self._connection()
        target = urlsplit(self._endpoint.url)
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
        try:
            connection.request("POST", path, body, self._headers(delivery.id))
            check_response(connection.getresponse(), delivery.id)
        except (OSError, HTTPException) as error:
            text = f"The endpoint could not be reached or did not answer in time: {type(error).__name__}."
            raise NotDelivered(Failure(code="HttpEndpoint.ConnectionFailed", message=text)) from error
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        target = urlsplit(self._endpoint.url)
        assert target.hostname is not None
        seconds = self._endpoint.response_seconds
        if target.scheme == "https":
            return HTTPSConnection(target.hostname, target.port, timeout=seconds, context=self._endpoint.tls)
        return HTTPConnection(target.hostname, target.port, timeout=seconds)

    def _headers(self, request_id: str) -> dict[str, str]:
        headers = {
            "X-Amz-Firehose-Protocol-Version": "1.0",
            "X-Amz-Firehose-Request-Id": request_id,
            "X-Amz-Firehose-Source-Arn": self._around.arn,
            "Content-Type": "application/json",
            "User-Agent": "Amazon Kinesis Data Firehose Agent/1.0",
        }
        if self._endpoint.access_key:
            headers["X-Amz-Firehose-Access-Key"] = self._endpoint.access_key
        if self._endpoint.attributes is not None:
            headers["X-Amz-Firehose-Common-Attributes"] = json.dumps(
                {"commonAttributes": dict(self._endpoint.attributes)}
            )
        if self._endpoint.compressed:
            headers["Content-Encoding"] = "gzip"
        return headers


def check_response(response: HTTPResponse, request_id: str) -> None:
    """Raise NotDelivered unless it is 200 and has the form that AWS asks for: else it counts as 500 without a body."""
    body = response.read(limits.HTTP_RESPONSE_BYTES + 1)
    problem = _problem(response, body, request_id)
    if problem:
        text = f"The response could not be used: {problem}."
        raise NotDelivered(Failure(code="HttpEndpoint.InvalidResponseFromDestination", message=text))
    if response.status != 200:
        text = f"Received the following response from the endpoint destination. {response.status}: {body.decode()}"
        failure = Failure(code="HttpEndpoint.DestinationException", message=text)
        raise NotDelivered(failure, final=response.status == FINAL)


def _problem(response: HTTPResponse, body: bytes, request_id: str) -> str:
    """Return what is wrong with the form of a response, or nothing."""
    if response.status // 100 not in (2, 4, 5):
        return f"status {response.status}"
    if (response.getheader("Content-Type") or "").partition(";")[0].strip().lower() != "application/json":
        return "its Content-Type is not application/json"
    if response.getheader("Content-Encoding"):
        return "it has a Content-Encoding"
    if response.getheader("Content-Length") is None:
        return "it has no Content-Length"
    if len(body) > limits.HTTP_RESPONSE_BYTES:
        return "its body is over 1 MiB"
    return _body_problem(body, request_id)


def _body_problem(body: bytes, request_id: str) -> str:
    try:
        told = json.loads(body)
        same, stamp, text = told["requestId"] == request_id, told["timestamp"], told.get("errorMessage", "")
    except (ValueError, KeyError, TypeError, AttributeError):
        return "its body is no JSON object with requestId and timestamp"
    if not same:
        return "its requestId is not that of the request"
    if not isinstance(stamp, int) or isinstance(stamp, bool):
        return "its timestamp is no integer"
    if not isinstance(text, str) or len(text) > limits.HTTP_ERROR_MESSAGE_CHARACTERS:
        return "its errorMessage is no string of at most 8192 characters"
    return ""
