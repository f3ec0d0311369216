"""Each exception that the client can raise is one of ours."""

from __future__ import annotations

import ssl

import elastic_transport
import pytest
from elastic_transport import TlsError, TransportError
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, ProtocolError, ProxyError, SSLError

from vpcflow.errors import SinkRefused, SinkUnavailable
from vpcflow.sink.failures import nothing_was_sent, translate
from vpcflow.sink.tls import FingerprintError


def descendants(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))


TRANSPORT = sorted(descendants(TransportError), key=lambda kind: kind.__name__)


def test_the_list_is_complete() -> None:
    """What the package exports as an exception is among those that are tried below, or comes from its client only."""
    exported = {
        value
        for value in vars(elastic_transport).values()
        if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
    }
    assert len(exported) > 5
    assert exported - {elastic_transport.ApiError} <= set(TRANSPORT)


@pytest.mark.parametrize("kind", TRANSPORT)
def test_transport_errors_decide_nothing(kind: type[TransportError]) -> None:
    error = translate(kind("why\nat 0x7f00"), "host")
    assert type(error) is SinkUnavailable
    assert str(error).startswith("host: ")
    assert "\n" not in str(error)


def test_tls_that_will_never_work_is_refused() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error = translate(TlsError("tls", errors=(OSError("wrapped", untrusted),)), "host")
    assert type(error) is SinkRefused
    assert "ca_certs" in str(error)


def test_a_certificate_that_is_not_the_pinned_one_is_refused() -> None:
    error = translate(TlsError("tls", errors=(SSLError(FingerprintError("its certificate has ab")),)), "host")
    assert type(error) is SinkRefused
    assert "elasticsearch.certificate_fingerprint" in str(error)


def test_tls_that_was_cut_off_may_come_back() -> None:
    assert type(translate(TlsError("tls", errors=(ssl.SSLEOFError(8, "EOF"),)), "host")) is SinkUnavailable


def test_a_proxy_that_refuses_us() -> None:
    cut = ProtocolError("Connection aborted.", OSError("Tunnel connection failed: 407 Proxy Authentication Required"))
    error = translate(elastic_transport.ConnectionError("x", errors=(cut,)), "host")
    assert type(error) is SinkRefused
    assert error.exit_code == 77
    assert "407" in str(error)


def test_a_proxy_that_has_trouble_of_its_own_may_come_back() -> None:
    cut = ProtocolError("Connection aborted.", OSError("Tunnel connection failed: 503 Service Unavailable"))
    assert type(translate(elastic_transport.ConnectionError("x", errors=(cut,)), "host")) is SinkUnavailable


def test_what_was_not_sent_may_go_to_another_host() -> None:
    refused = NewConnectionError(HTTPConnection("a"), "refused")
    assert nothing_was_sent(elastic_transport.ConnectionError("x", errors=(refused,)))
    assert nothing_was_sent(elastic_transport.ConnectionError("x", errors=(ProxyError("no proxy", refused),)))
    cut = ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))
    assert not nothing_was_sent(elastic_transport.ConnectionError("x", errors=(cut,)))


def test_a_certificate_that_is_not_the_right_one_is_no_reason_to_ask_another_host() -> None:
    behind = ProxyError("Unable to connect to proxy", SSLError(FingerprintError("its certificate has ab")))
    error = elastic_transport.ConnectionError("x", errors=(behind,))
    assert not nothing_was_sent(error)
    assert type(translate(error, "host")) is SinkRefused
