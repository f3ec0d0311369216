"""HTTP/1.1 requests and answers as values, read from and written to a stream. As much of RFC 9112 as clients of ours use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

__all__ = ["MAX_BODY_BYTES", "Headers", "MessageError", "Request", "Response", "read_request", "read_response"]

MAX_BODY_BYTES = 256_000_000
_MAX_LINE_BYTES = 65_536
_MAX_HEADERS = 200
_HOP_BY_HOP = {"connection", "content-length", "expect", "keep-alive", "proxy-connection", "transfer-encoding"}
_NO_BODY = {204, 304}
_REQUEST_WORDS = 3

Headers = tuple[tuple[str, str], ...]


class MessageError(Exception):
    """What came is not HTTP/1.1, is larger than we take, or ended in its middle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, its body as it was sent (a compressed one stays so)."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""

    def header(self, name: str) -> str:
        """Return the first header of this name, empty where there is none."""
        return _find(self.headers, name)

    @property
    def keeps_alive(self) -> bool:
        """Return whether the client wants to send more."""
        return self.header("connection").lower() != "close"

    def head(self, host: str) -> bytes:
        """Return the head for a server at `host`, that closes the connection afterwards."""
        kept = [pair for pair in self.headers if pair[0].lower() not in {*_HOP_BY_HOP, "host"}]
        pairs = [("Host", host), *kept, ("Connection", "close")]
        if self.body or self.method not in {"GET", "HEAD", "DELETE", "OPTIONS"}:
            pairs.append(("Content-Length", str(len(self.body))))
        return _head(f"{self.method} {self.target} HTTP/1.1", pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """One answer."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    reason: str = ""
    length: str = ""  # Content-Length of an answer to HEAD: of a body that is not sent

    def header(self, name: str) -> str:
        """Return the first header of this name, empty where there is none."""
        return _find(self.headers, name)

    def head(self) -> bytes:
        """Return the head, its length that of the body."""
        pairs = [pair for pair in self.headers if pair[0].lower() not in _HOP_BY_HOP]
        if self.status not in _NO_BODY:
            pairs.append(("Content-Length", self.length or str(len(self.body))))
        return _head(f"HTTP/1.1 {self.status} {self.reason}", pairs)


def read_request(stream: BinaryIO, go_on: Callable[[], None]) -> Request | None:
    """Return the next request; None where the client closed between two.

    Args:
        stream: of the connection.
        go_on: called before the body of a client that waits for `100 Continue`.

    Raises:
        MessageError: see there.
        OSError: the connection broke.
    """
    line = _line(stream, may_end=True)
    if not line:
        return None
    words = line.split(" ")
    if len(words) != _REQUEST_WORDS or not words[2].startswith("HTTP/1."):
        raise MessageError("the request line is not HTTP/1.1")
    headers = _headers(stream)
    if _find(headers, "expect").lower() == "100-continue":
        go_on()
    body = _body(stream, headers, to_end=False)
    return Request(method=words[0], target=words[1], headers=headers, body=body)


def read_response(stream: BinaryIO, method: str) -> Response:
    """Return the answer to a request with this method.

    Raises:
        MessageError: see there.
        OSError: the connection broke.
    """
    while True:
        version, _, rest = _line(stream).partition(" ")
        code, _, reason = rest.partition(" ")
        if not version.startswith("HTTP/1.") or not code.isdecimal():
            raise MessageError("the status line is not HTTP/1.1")
        headers = _headers(stream)
        if int(code) >= 200:  # noqa: PLR2004 - 1xx are said on the way
            break
    status = int(code)
    if method == "HEAD" or status in _NO_BODY:
        return Response(status=status, headers=headers, reason=reason, length=_find(headers, "content-length"))
    return Response(status=status, headers=headers, reason=reason, body=_body(stream, headers, to_end=True))


def _find(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key.lower() == name), "")


def _head(first: str, pairs: list[tuple[str, str]]) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in pairs), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _line(stream: BinaryIO, *, may_end: bool = False) -> str:
    line = stream.readline(_MAX_LINE_BYTES + 1)
    if not line and may_end:
        return ""
    if not line.endswith(b"\n"):
        raise MessageError("the message ends in its head, or a line of it is too long")
    return line.rstrip(b"\r\n").decode("latin-1")


def _headers(stream: BinaryIO) -> Headers:
    pairs: list[tuple[str, str]] = []
    while line := _line(stream):
        name, colon, value = line.partition(":")
        if not colon or len(pairs) >= _MAX_HEADERS:
            raise MessageError("a header without a colon, or too many of them")
        pairs.append((name.strip(), value.strip()))
    return tuple(pairs)


def _body(stream: BinaryIO, headers: Headers, *, to_end: bool) -> bytes:
    if _find(headers, "transfer-encoding").lower() == "chunked":
        return _chunks(stream)
    length = _find(headers, "content-length")
    if length:
        return _exactly(stream, _size(length, 10))
    return _up_to(stream) if to_end else b""


def _chunks(stream: BinaryIO) -> bytes:
    parts: list[bytes] = []
    total = 0
    while size := _size(_line(stream).partition(";")[0], 16):
        total += size
        if total > MAX_BODY_BYTES:
            raise MessageError("the body is too large")
        parts.append(_exactly(stream, size))
        _line(stream)
    while _line(stream):  # trailers are not passed on
        pass
    return b"".join(parts)


def _size(text: str, base: int) -> int:
    try:
        size = int(text.strip(), base)
    except ValueError:
        raise MessageError("a length that is no number") from None
    if not 0 <= size <= MAX_BODY_BYTES:
        raise MessageError("the body is too large")
    return size


def _exactly(stream: BinaryIO, size: int) -> bytes:
    body = stream.read(size)
    if len(body) != size:
        raise MessageError("the message ends in its body")
    return body


def _up_to(stream: BinaryIO) -> bytes:
    body = stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        raise MessageError("the body is too large")
    return body
