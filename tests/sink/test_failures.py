"""Each exception that the client can raise is one of ours."""

from __future__ import annotations

import ssl

import elastic_transport
import elasticsearch
import pytest
from elastic_transport import ApiError, ApiResponseMeta, HttpHeaders, NodeConfig, TlsError, TransportError

from vpcflow.errors import SinkError, SinkRefused, SinkUnavailable
from vpcflow.sink.failures import translate


def descendants(kind: type[Exception]) -> set[type[Exception]]:
    return {kind}.union(*(descendants(child) for child in kind.__subclasses__()))


def meta(status: int) -> ApiResponseMeta:
    node = NodeConfig("http", "127.0.0.1", 9200)
    return ApiResponseMeta(status=status, http_version="1.1", headers=HttpHeaders(), duration=0.1, node=node)


TRANSPORT = sorted(descendants(TransportError), key=lambda kind: kind.__name__)
API = sorted(descendants(ApiError), key=lambda kind: kind.__name__)


def test_the_list_is_complete() -> None:
    """Whatever the two packages export as an exception is among those that are tried below."""
    exported = {
        value
        for module in (elastic_transport, elasticsearch)
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Exception) and not issubclass(value, Warning)
    }
    assert len(exported) > 10
    assert exported <= {*TRANSPORT, *API}


@pytest.mark.parametrize("kind", TRANSPORT)
def test_transport_errors_decide_nothing(kind: type[TransportError]) -> None:
    error = translate(kind("why\nat 0x7f00"), "host")
    assert type(error) is SinkUnavailable
    assert str(error).startswith("host: ")
    assert "\n" not in str(error)


@pytest.mark.parametrize("kind", API)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 429, 500, 503])
def test_api_errors_are_classed_by_their_status(kind: type[ApiError], status: int) -> None:
    error = translate(kind("why", meta(status), {"error": {"type": "x"}}), "host")
    assert isinstance(error, SinkError)
    if kind is elasticsearch.UnsupportedProductError or status in {401, 403, 404}:
        assert type(error) is SinkRefused
    elif status >= 429:
        assert isinstance(error, SinkUnavailable)


def test_tls_that_will_never_work_is_refused() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error = translate(TlsError("tls", errors=(OSError("wrapped", untrusted),)), "host")
    assert type(error) is SinkRefused
    assert "ca_certs" in str(error)


def test_tls_that_was_cut_off_may_come_back() -> None:
    assert type(translate(TlsError("tls", errors=(ssl.SSLEOFError(8, "EOF"),)), "host")) is SinkUnavailable
