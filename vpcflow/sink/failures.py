"""Exceptions of the HTTP client, in our own terms: which of them may pass, and which stay."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from elastic_transport import ApiError, TlsError, TransportError
from elasticsearch import UnsupportedProductError

from vpcflow.errors import SinkError, SinkRefused, SinkUnavailable
from vpcflow.sink.response import request_error

__all__ = ["translate"]

_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")


def translate(error: TransportError | ApiError, where: str) -> SinkError:
    """Return ours for any exception that the client can raise.

    Lost, late, cut-off and unreadable answers decide nothing (SinkUnavailable): sending again is safe. A certificate that is
    not trusted, or a server without TLS at an https URL, will be the same the next time (SinkRefused).
    """
    if isinstance(error, UnsupportedProductError):
        return SinkRefused(f"{where}: the client refuses this product; check elasticsearch.hosts")
    if isinstance(error, ApiError):
        return request_error(error.meta.status, error.body, where=where)
    if isinstance(error, TlsError):
        for cause in _chain(error):
            if isinstance(cause, ssl.SSLCertVerificationError):
                reason = getattr(cause, "verify_message", "") or "of an unknown CA"
                return SinkRefused(f"{where}: its certificate is not trusted: {reason}; set elasticsearch.ca_certs")
            if isinstance(cause, ssl.SSLError) and getattr(cause, "reason", "") in _NOT_TLS:
                return SinkRefused(
                    f"{where}: does not speak TLS; write http:// in elasticsearch.hosts, or correct the port"
                )
    return SinkUnavailable(f"{where}: no usable answer: {_words(error)}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it was made of: causes, contexts, and exceptions kept as arguments."""
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        parts = (current.__cause__, current.__context__, getattr(current, "reason", None), *current.args)
        inner = getattr(current, "errors", ())
        waiting.extend(part for part in (*parts, *inner) if isinstance(part, BaseException))


def _words(error: TransportError) -> str:
    """Return one line without addresses of objects, e.g. `ConnectionError: Connection refused`."""
    *_, last = _chain(error)
    causes = [cause for cause in _chain(error) if isinstance(cause, OSError) and cause.strerror]
    detail = causes[-1].strerror if causes else type(last).__name__
    return type(error).__name__ if detail == type(error).__name__ else f"{type(error).__name__}: {detail}"
