"""Firehose's side: how it sends a request, and a judge of the answers that knows AWS's page and nothing of our code."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import ssl
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ARN = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/flows"
KEY = "a key that nobody else has"
PATIENCE_SECONDS = 60


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    seconds: float = 0.0

    @property
    def message(self) -> str:
        return str(json.loads(self.body).get("errorMessage", ""))


@dataclass
class Sent:
    """A request as Firehose makes it; the same one may be sent again."""

    records: Sequence[bytes] = ()
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    timestamp: int = field(default_factory=lambda: int(time.time() * 1000))
    attributes: Mapping[str, str] = field(default_factory=dict)
    packed: bool = False

    @property
    def body(self) -> bytes:
        records = [{"data": base64.b64encode(data).decode()} for data in self.records]
        text = json.dumps({"requestId": self.request_id, "timestamp": self.timestamp, "records": records}).encode()
        return gzip.compress(text, 1) if self.packed else text

    @property
    def headers(self) -> dict[str, str]:
        headers = {
            "X-Amz-Firehose-Protocol-Version": "1.0",
            "X-Amz-Firehose-Request-Id": self.request_id,
            "Content-Type": "application/json",
            "X-Amz-Firehose-Source-Arn": ARN,
            "X-Amz-Firehose-Access-Key": KEY,
        }
        if self.packed:
            headers["Content-Encoding"] = "gzip"
        if self.attributes:
            headers["X-Amz-Firehose-Common-Attributes"] = json.dumps({"commonAttributes": dict(self.attributes)})
        return headers


def post(
    port: int,
    sent: Sent,
    *,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str | None] | None = None,
    path: str = "/",
    method: str = "POST",
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Send it, and judge the answer. `headers`: instead of, or (None) without, those that Firehose sends."""
    said: dict[str, str] = {
        name: value for name, value in {**sent.headers, **(headers or {})}.items() if value is not None
    }
    content: Any = sent.body if body is None else body
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS, context=tls)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    )
    began = time.monotonic()
    try:
        connection.request(method, path, content, said, encode_chunked=not isinstance(content, bytes))
        response = connection.getresponse()
        answer = Answer(response.status, response.getheaders(), response.read(), time.monotonic() - began)
    finally:
        connection.close()
    expected = said.get("X-Amz-Firehose-Request-Id", "")
    assert violations(answer, expected) == []
    return answer


def violations(answer: Answer, request_id: str) -> list[str]:
    """Say what in an answer is against the contract.

    https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html, "Response format".
    """
    headers: dict[str, list[str]] = {}
    for name, value in answer.headers:
        headers.setdefault(name.lower(), []).append(value)
    rules = {
        "413 is final: the records are lost, and are not in the error bucket": answer.status != 413,
        f"Content-Type {headers.get('content-type')}": headers.get("content-type") == ["application/json"],
        f"Content-Length {headers.get('content-length')}": headers.get("content-length") == [str(len(answer.body))],
        "a Content-Encoding": "content-encoding" not in headers,
        "a Transfer-Encoding": "transfer-encoding" not in headers,
        "the body has more than 1 MiB": len(answer.body) <= 1024 * 1024,
    }
    found = [rule for rule, kept in rules.items() if not kept]
    try:
        said = json.loads(answer.body)
    except ValueError:
        return [*found, "the body is not JSON"]
    return found + (_said_wrong(said, answer.status, request_id) if isinstance(said, dict) else ["no object"])


def _said_wrong(said: dict[str, Any], status: int, request_id: str) -> list[str]:
    stamp, message = said.get("timestamp"), said.get("errorMessage")
    rules = {
        f"requestId {said.get('requestId')!r}, not {request_id!r}": said.get("requestId") == request_id,
        f"timestamp {stamp!r} is not now in milliseconds": type(stamp) is int and abs(stamp / 1000 - time.time()) < 300,
        "errorMessage goes with failures, and only with them": (status == 200) == ("errorMessage" not in said),
        f"errorMessage {message!r} says nothing": message is None
        or (isinstance(message, str) and message.strip() != ""),
        f"unknown members {sorted(said)}": not set(said) - {"requestId", "timestamp", "errorMessage"},
    }
    return [rule for rule, kept in rules.items() if not kept]


def lines(first: int, count: int, *, end: int | None = None) -> bytes:
    """Return flow-log lines, told apart by their bytes: `first`, `first` + 1, …"""
    end = end or int(time.time())
    made = [
        f"2 123456789012 eni-0a1b2c3d 10.0.0.1 10.0.0.2 1234 443 6 10 {number} {end - 60} {end} ACCEPT OK\n"
        for number in range(first, first + count)
    ]
    return "".join(made).encode()


def cloudwatch(first: int, count: int, *, group: str = "vpc", pad: str = "") -> bytes:
    """Return the same as a payload of a CloudWatch Logs subscription."""
    texts = lines(first, count).decode().splitlines()
    events = [
        {"id": f"{number:056d}", "timestamp": int(time.time() * 1000), "message": text + pad}
        for number, text in enumerate(texts, first)
    ]
    payload = {
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": group,
        "logStream": "eni-0a1b2c3d-all",
    }
    return json.dumps({**payload, "subscriptionFilters": ["all"], "logEvents": events}).encode()
