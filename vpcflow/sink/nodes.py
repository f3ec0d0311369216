"""One host of the engine: its connections, direct or through a proxy, and the signature of its requests.

`elastic_transport`'s node knows neither proxies nor signatures, and adds the CAs of `certifi` to whatever it is told to trust;
so it gets pools of ours. How it sends and what it raises stays as it is.
"""

from __future__ import annotations

import contextlib
import math
import ssl
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import urllib3
from elastic_transport import BaseNode, HttpHeaders, NodeConfig, Urllib3HttpNode
from elastic_transport.client_utils import DEFAULT, DefaultType
from urllib3.exceptions import ProtocolError, ReadTimeoutError
from urllib3.util import Timeout, Url, make_headers, parse_url

from vpcflow.errors import ConfigError
from vpcflow.sink.sigv4 import Signer, canonical
from vpcflow.sink.tls import ClientCertificate, Pin, pinned_pool, trusting

__all__ = ["Node", "Way"]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_PART_BYTES = 65_536
_MOST_BYTES = 64_000_000  # of an answer; thousands of rejections in many words are a few million


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How every host is reached.

    connections: kept open to each host, at most; a thread that needs one more waits.
    sending_seconds: how long an engine may take to take a request; connecting has a time of its own.
    ca_certs, fingerprint, client: see `vpcflow.sink.tls`; a fingerprint is trusted instead of any CA.
    proxy: URL of an HTTP proxy; https hosts are reached through a tunnel (CONNECT).
    signer: signs each request.
    """

    connections: int
    sending_seconds: float = 60.0
    ca_certs: str = ""
    fingerprint: str = ""
    client: ClientCertificate = field(default_factory=ClientCertificate)
    proxy: str = field(default="", repr=False)
    signer: Signer | None = None


class Node(Urllib3HttpNode):
    """A host. Called by several threads."""

    pool: Any  # of urllib3, or what stands for one

    def __init__(self, config: NodeConfig, way: Way) -> None:
        """Make its pool; nothing is sent.

        Raises:
            ConfigError: files of certificates that cannot be used, a proxy that is no URL.
        """
        BaseNode.__init__(self, config)  # not the parent's: that makes a pool of its own
        self._signer = way.signer
        default = _DEFAULT_PORTS.get(config.scheme) == config.port
        host = f"[{config.host}]" if ":" in config.host else config.host
        self._origin = f"{config.scheme}://{host}" + ("" if default else f":{config.port}")
        pool_class: type[urllib3.HTTPConnectionPool] = urllib3.HTTPConnectionPool
        options: dict[str, Any] = {"maxsize": way.connections, "block": True}
        if config.scheme == "https" and way.fingerprint:
            pin = Pin(way.fingerprint, way.client)
            pool_class, options["ssl_context"] = pinned_pool(pin), pin.meeting
        elif config.scheme == "https":
            pool_class, options["ssl_context"] = urllib3.HTTPSConnectionPool, trusting(way.ca_certs, way.client)
        pool_class = _sending_within(pool_class, way.sending_seconds)
        pool: Any
        if way.proxy:
            pool = _Proxied(_proxy_manager(way, options, config.scheme, pool_class), self._origin)
        else:
            pool = pool_class(config.host, port=config.port, **options)
        self.pool = _InTime(pool)

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: DefaultType | float | None = DEFAULT,
    ) -> Any:  # noqa: ANN401 - a pair that the package does not export
        """Send one request, signed where that is asked for; see `elastic_transport.BaseNode.perform_request`."""
        if self._signer is not None:
            target, headers = canonical(target), HttpHeaders(headers or {})
            url = f"{self._origin}{self.path_prefix}{target}"
            headers.update(self._signer.headers(method, url, body, headers.get("content-type") or ""))
        return super().perform_request(method, target, body, headers, request_timeout)


@dataclass(frozen=True, slots=True)
class _Whole:
    """An answer that was read to its end, as far as the node looks at it."""

    status: int
    headers: urllib3.HTTPHeaderDict
    data: bytes


class _InTime:
    """A pool whose answers have to be there, whole, within the read timeout: it counts for each read otherwise.

    An answer that does not end is cut off: whoever sends it, it must not cost the memory of the machine.
    """

    def __init__(self, pool: Any) -> None:  # noqa: ANN401 - of urllib3, or what stands for one
        self._pool = pool

    def urlopen(self, method: str, target: str, *, timeout: Timeout, **options: Any) -> _Whole:  # noqa: ANN401 - passed on
        seconds = timeout.read_timeout if isinstance(timeout.read_timeout, (int, float)) else None
        end = math.inf if seconds is None else time.monotonic() + seconds
        response = self._pool.urlopen(  # pool_timeout: the wait for one of its places
            method, target, timeout=timeout, pool_timeout=seconds, preload_content=False, **options
        )
        parts, size = [], 0
        with contextlib.ExitStack() as exits:
            # Last, and in each case: a place in the pool that is kept is missing for all later requests.
            exits.callback(response.release_conn)
            cut = exits.enter_context(contextlib.ExitStack())
            cut.callback(response.close)  # a connection with half an answer in it is of no use
            while part := response.read1(_PART_BYTES):
                parts.append(part)
                size += len(part)
                if size > _MOST_BYTES:
                    raise ProtocolError(f"an answer of more than {_MOST_BYTES} bytes")
                if time.monotonic() > end:
                    raise ReadTimeoutError(self._pool, target, f"not the whole answer within {seconds} s")
            cut.pop_all()
        return _Whole(response.status, response.headers, b"".join(parts))

    def close(self) -> None:
        self._pool.close()


def _sending_within(pool_class: type[urllib3.HTTPConnectionPool], seconds: float) -> type[urllib3.HTTPConnectionPool]:
    """Return the pool class with a time of its own for sending: urllib3 counts sending as a part of connecting.

    Else a body on a slow line, or an engine that pauses while it reads, would be cut off after the few seconds that a host
    that is switched off is given, each time again.
    """

    class Connection(pool_class.ConnectionCls):  # type: ignore[misc, name-defined]
        def request(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - passed on
            if self.sock is None:
                self.connect()
            self.timeout = seconds  # what `request` gives to the socket; for the answer it is set once more
            super().request(*arguments, **options)

    return type(pool_class.__name__, (pool_class,), {"ConnectionCls": Connection})


class _Proxied:
    """The part of a pool that a node uses, over a proxy."""

    def __init__(self, manager: urllib3.ProxyManager, origin: str) -> None:
        self._manager, self._origin = manager, origin

    def urlopen(self, method: str, target: str, **options: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401 - passed on
        return self._manager.urlopen(method, self._origin + target, redirect=False, **options)

    def close(self) -> None:
        self._manager.clear()


def _proxy_url(text: str) -> Url:
    try:
        url = parse_url(text)
    except urllib3.exceptions.LocationParseError:  # its message quotes the URL, which may hold a password
        url = Url()
    if url.scheme not in _DEFAULT_PORTS or not url.host or url.path not in (None, "/"):
        raise ConfigError("elasticsearch.proxy: not a URL like http://proxy:3128; correct it") from None
    return url


def _proxy_manager(
    way: Way, options: dict[str, Any], scheme: str, pool_class: type[urllib3.HTTPConnectionPool]
) -> urllib3.ProxyManager:
    url = _proxy_url(way.proxy)
    trust = ssl.create_default_context()
    if way.ca_certs:
        trust.load_verify_locations(way.ca_certs)  # a company's own CA signs its proxies, too
    headers = make_headers(proxy_basic_auth=unquote(url.auth)) if url.auth else None
    address = url._replace(auth=None).url
    manager = urllib3.ProxyManager(address, proxy_headers=headers, proxy_ssl_context=trust, **options)
    # A pool for http hosts is one of connections to the proxy, which may itself speak TLS.
    to_proxy = url.scheme or "http"
    way_there = _sending_within(manager.pool_classes_by_scheme[to_proxy], way.sending_seconds)
    manager.pool_classes_by_scheme = {**manager.pool_classes_by_scheme, to_proxy: way_there}
    if scheme == "https":
        manager.pool_classes_by_scheme["https"] = pool_class
    return manager
