"""Exceptions of the HTTP client, in our own terms: which of them may pass, and which stay."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator

from elastic_transport import TransportError
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

from vpcflow.errors import EX_NOPERM, SinkError, SinkRefused, SinkUnavailable
from vpcflow.sink.tls import FingerprintError

__all__ = ["nothing_was_sent", "translate"]

_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL")
_REFUSES_US = re.compile(
    "ALERT_(CERTIFICATE_REQUIRED|CERTIFICATE_EXPIRED|CERTIFICATE_REVOKED|BAD_CERTIFICATE|UNKNOWN_CA|HANDSHAKE_FAILURE"
    "|ACCESS_DENIED)"
)
_TUNNEL = re.compile(r"Tunnel connection failed: (4\d\d)[^\n]{0,100}")


def nothing_was_sent(error: TransportError) -> bool:
    """Return whether the host, or the proxy before it, was never reached: another one may be asked at once."""
    causes = list(_chain(error))
    return any(
        isinstance(cause, (NewConnectionError, ConnectTimeoutError, ProxyError)) for cause in causes
    ) and not any(isinstance(cause, ssl.SSLError) for cause in causes)


def translate(error: TransportError, where: str) -> SinkError:
    """Return ours for any exception that the client can raise.

    Lost, late, cut-off and unreadable answers decide nothing (SinkUnavailable): sending again is safe. A certificate that is
    not trusted, a server without TLS at an https URL, or a proxy that refuses us will be the same the next time (SinkRefused).
    """
    causes = list(_chain(error))
    for cause in causes:
        tunnel = _TUNNEL.search(str(cause)) if isinstance(cause, OSError) else None
        if tunnel is not None:
            return SinkRefused(
                f"{where}: the proxy refuses: {tunnel[0].rpartition(': ')[2]}; check elasticsearch.proxy, its user and "
                "password",
                exit_code=EX_NOPERM,
            )
    whose = "the proxy's" if any(isinstance(cause, ProxyError) for cause in causes) else "its"
    for cause in causes:
        refused = _tls(cause, where, whose)
        if refused is not None:
            return refused
    return SinkUnavailable(f"{where}: no usable answer: {_words(error)}")


def _tls(cause: BaseException, where: str, whose: str) -> SinkRefused | None:
    """Return what the next handshake will say, too."""
    if isinstance(cause, FingerprintError):
        said = str(cause.args[-1])
        return SinkRefused(
            f"{where}: {said}, not the one of elasticsearch.certificate_fingerprint, nor has any other that it shows; "
            "nothing was sent; make sure who answers there, then correct the fingerprint"
        )
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = getattr(cause, "verify_message", "") or "of an unknown CA"
        return SinkRefused(
            f"{where}: {whose} certificate is not trusted: {reason}; set elasticsearch.ca_certs or certificate_fingerprint"
        )
    reason = getattr(cause, "reason", "") if isinstance(cause, ssl.SSLError) else ""
    if reason in _NOT_TLS:
        return SinkRefused(f"{where}: does not speak TLS; write http:// in elasticsearch.hosts, or correct the port")
    if isinstance(reason, str) and _REFUSES_US.search(reason):
        return SinkRefused(
            f"{where}: refuses our side of TLS ({reason}); set elasticsearch.client_cert and client_key to a certificate "
            "that it trusts",
            exit_code=EX_NOPERM,
        )
    return None


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
        parts = (
            current.__cause__,
            current.__context__,
            getattr(current, "reason", None),
            getattr(current, "original_error", None),
            *current.args,
        )
        inner = getattr(current, "errors", ())
        waiting.extend(part for part in (*parts, *inner) if isinstance(part, BaseException))


def _words(error: TransportError) -> str:
    """Return one line without addresses of objects, e.g. `ConnectionError: Connection refused`."""
    *_, last = _chain(error)
    causes = [cause for cause in _chain(error) if isinstance(cause, OSError) and cause.strerror]
    detail = causes[-1].strerror if causes else type(last).__name__
    return type(error).__name__ if detail == type(error).__name__ else f"{type(error).__name__}: {detail}"
