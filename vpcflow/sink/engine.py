"""The search engine over HTTP: Elasticsearch 8 and 9, OpenSearch 2 and 3, with one client.

The `elasticsearch` client itself refuses OpenSearch, after the server has done the work, puts its own major version into the
media types, and asks again on its own. So everything goes through the HTTP nodes below it (`vpcflow.sink.nodes`), with plain
media types, once, and bytes pass untouched; for what is no bulk, its typed API stands on top (`vpcflow.sink.client`).
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, urlencode

import orjson
from elastic_transport import TransportError

from vpcflow.clock import Clock, SystemClock
from vpcflow.errors import EX_NOPERM, SinkRefused, SinkUnavailable
from vpcflow.sink.abstract import BodyTooLarge
from vpcflow.sink.compression import compress
from vpcflow.sink.connection import JSON, NDJSON, Credentials, EngineOptions, hosts
from vpcflow.sink.failures import translate
from vpcflow.sink.login import Login
from vpcflow.sink.response import FILTER_PATH, parse, read_bulk, request_error
from vpcflow.sink.target import Change, check_data_stream, put_template
from vpcflow.types import Answer, Bulk

if TYPE_CHECKING:
    from elastic_transport import ObjectApiResponse
    from elasticsearch import Elasticsearch

__all__ = ["Credentials", "EngineOptions", "EngineSink", "Reply"]

Product = Literal["elasticsearch", "opensearch"]

_OK = range(200, 300)
_BAD_REQUEST, _UNAUTHORIZED, _PROXY_WANTS_MORE = 400, 401, 407
_MARK, _MARKS = "vpcflow-", 1_000  # few values: Elastic asks for no id that is unique to a request
_UNKNOWN_PARAMETER = re.compile(r"unrecognized parameter.*require_data_stream")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer as it came; `body` is parsed JSON, None where it was none."""

    status: int
    body: object
    headers: Mapping[str, str]

    @property
    def ok(self) -> bool:
        """Return whether the status is 2xx."""
        return self.status in _OK


class EngineSink:
    """A `vpcflow.sink.abstract.Sink` over HTTP. Connections are made when first needed. Called by several threads at once."""

    def __init__(
        self,
        options: EngineOptions,
        *,
        reload: Callable[[], Credentials] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Prepare; nothing is sent to the engine.

        Args:
            options: where and how.
            reload: reads the credentials again; asked after a 401, so that a rotated secret does not stop us.
            clock: for hosts that are left out for a while.

        Raises:
            ConfigError: see `vpcflow.sink.connection.hosts`.
        """
        self._options = options
        clock = clock or SystemClock()
        self._login = Login(options.credentials, reload, options.rotation_seconds, clock)
        self._product: Product | None = None if options.product == "auto" else options.product
        self._asked = False  # who is there
        self._asking = threading.Lock()
        self._require_data_stream = True  # until the engine says that it does not know it; set once, by any thread
        self._marks = itertools.count()  # of requests: engines say with an answer whose it is
        self._hosts = hosts(options, clock)
        # "The service ignores parameters passed in URLs for HTTP POST requests that are signed": the page in sigv4.py.
        self._bulk_method = "PUT" if options.service == "es" else "POST"
        self.where = options.where

    @property
    def product(self) -> Product | None:
        """Return the product as told by settings or by an answer; None while neither has."""
        return self._product

    def write(self, bulk: Bulk) -> Answer:
        """Send one body, see `Sink.write`."""
        headers, body = self._wrapped(bulk)
        if self._product is None and self._options.data_stream:
            self._identify_once()
        reply = self._send(self._bulk_method, self._bulk_path(), body, headers)
        if self._parameter_unknown(reply):
            self._require_data_stream = False
            reply = self._send(self._bulk_method, self._bulk_path(), body, headers)
        wait = _retry_after(reply.headers)
        answer = read_bulk(reply.status, reply.body, bulk.count, where=self.where, retry_after=wait)
        return replace(answer, wire_bytes=len(body))

    def request(self, method: str, path: str, body: object = None) -> Reply:
        """Ask anything else of the engine, JSON in and out; any status is returned.

        Args:
            method: HTTP method.
            path: with its query, escaped.
            body: JSON value, or None.

        Raises:
            SinkUnavailable: no answer.
            SinkRefused: TLS that cannot work.
        """
        if body is None:
            return self._send(method, path, None, {})
        return self._send(method, path, orjson.dumps(body), {"content-type": JSON})

    def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Like `request`, but only a 2xx with a JSON object is returned.

        Raises:
            SinkUnavailable: no answer, or a passing failure.
            SinkRefused: any other refusal.
        """
        reply = self.request(method, path, body)
        if not reply.ok:
            asked = f"{method} {path}"
            wait = _retry_after(reply.headers)
            raise request_error(reply.status, reply.body, where=self.where, retry_after=wait, asked=asked)
        if not isinstance(reply.body, dict):
            raise SinkUnavailable(f"{self.where}: the answer to {method} {path} is not JSON")
        return reply.body

    def identify(self) -> str:
        """Ask who is there; return `product version`, either empty where it is not told. A refusal is not an error."""
        reply = self.request("GET", "/")
        self._asked = True
        version = reply.body.get("version") if isinstance(reply.body, dict) else None
        number = version.get("number", "") if isinstance(version, dict) else ""
        return f"{self._product or ''} {number}".strip()

    def ensure_template(self, name: str, body: Mapping[str, object]) -> Change:
        """Put an index template; say `created`, `updated` or `unchanged`. Safe to repeat.

        Raises:
            SinkUnavailable: no answer, or a passing failure.
            SinkRefused: the engine does not take it, or the credentials may not.
        """
        return put_template(self, name, body)

    def check_target(self) -> None:
        """At start-up: make sure that a data stream target is one, see `vpcflow.sink.target.check_data_stream`."""
        if self._options.data_stream and self._options.target:
            check_data_stream(self, self._options.target)

    @cached_property
    def client(self) -> Elasticsearch:
        """Return Elastic's own client over this connection, for whatever is no bulk; see `vpcflow.sink.client`."""
        from vpcflow.sink.client import client_over  # a quarter of a second that writing alone need not wait

        return client_over(self.request)

    def search(self, target: str, body: Mapping[str, object]) -> dict[str, object]:
        """Run a search; a missing target gives no hits.

        Raises:
            SinkUnavailable: no answer, or a passing failure.
            SinkRefused: any other refusal.
        """
        return self._called(
            lambda: self.client.search(index=target, body=dict(body), ignore_unavailable=True), f"a search in {target}"
        )

    def count(self, target: str) -> int:
        """Return how many documents can be found, 0 for a target that does not exist; `refresh` first to see all."""
        reply = self._called(lambda: self.client.count(index=target, ignore_unavailable=True), f"a count of {target}")
        found = reply.get("count")
        if not isinstance(found, int):
            raise SinkUnavailable(f"{self.where}: the answer holds no count")
        return found

    def refresh(self, target: str) -> None:
        """Make what was written searchable."""
        self._called(
            lambda: self.client.indices.refresh(index=target, ignore_unavailable=True), f"a refresh of {target}"
        )

    def _called(self, call: Callable[[], ObjectApiResponse[Any]], asked: str) -> dict[str, object]:
        """Return what the client returns; its errors in our own terms."""
        from elasticsearch import ApiError

        try:
            body = call().body
        except ApiError as error:
            wait = _retry_after(error.meta.headers)
            raise request_error(
                error.meta.status, error.body, where=self.where, retry_after=wait, asked=asked
            ) from error
        if not isinstance(body, dict):
            raise SinkUnavailable(f"{self.where}: the answer to {asked} is not JSON")
        return body

    def close(self) -> None:
        """Close the connections."""
        self._hosts.close()

    def _identify_once(self) -> None:
        with self._asking:
            if not self._asked:
                self.identify()

    def _wrapped(self, bulk: Bulk) -> tuple[dict[str, str], bytes]:
        """Return headers and body as they go over the wire. Raises BodyTooLarge before anything is sent."""
        options, headers, body = self._options, {"content-type": NDJSON}, bulk.body
        if options.compression_level:
            headers["content-encoding"] = "gzip"
            body = compress(body, options.compression_level)
        if len(body) > options.max_wire_bytes:
            raise BodyTooLarge(f"{self.where}: {len(body)} bytes, over bulk.max_wire_bytes ({options.max_wire_bytes})")
        return headers, body

    def _bulk_path(self) -> str:
        options = self._options
        query = {"filter_path": FILTER_PATH}
        if options.pipeline != "default":
            query["pipeline"] = options.pipeline
        if options.data_stream and options.target and self._product == "elasticsearch" and self._require_data_stream:
            query["require_data_stream"] = "true"
        prefix = f"/{escape(options.target)}" if options.target else ""
        return f"{prefix}/_bulk?{urlencode(query, safe=',*', quote_via=quote)}"

    def _parameter_unknown(self, reply: Reply) -> bool:
        """Return whether the engine is older than `require_data_stream` (Elasticsearch before 8.13)."""
        if reply.status != _BAD_REQUEST or not isinstance(reply.body, dict):
            return False
        return bool(_UNKNOWN_PARAMETER.search(str(reply.body.get("error"))))

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        ticket = self._login.ticket
        reply = self._perform(method, path, body, headers, ticket.credentials)
        if reply.status == _UNAUTHORIZED:
            fresh = self._login.again(ticket)
            if fresh.credentials != ticket.credentials:
                reply = self._perform(method, path, body, headers, fresh.credentials)
        if reply.status != _UNAUTHORIZED:
            self._login.accepted(took=reply.ok)
        elif self._login.may_pass():
            raise SinkUnavailable(
                f"{self.where}: 401: refuses credentials that it took before; if they are being rotated this will pass, "
                f"else it counts as refused after {self._options.rotation_seconds:g} s (elasticsearch.rotation_seconds)"
            )
        return reply

    def _perform(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], credentials: Credentials
    ) -> Reply:
        mark = f"{_MARK}{next(self._marks) % _MARKS}"
        sent = {"accept": JSON, "x-opaque-id": mark, **credentials.headers(), **headers}
        try:
            meta, data = self._hosts.perform(method, path, body, sent, self._options.request_timeout_seconds)
        except TransportError as error:
            raise translate(error, self.where) from error
        told = meta.headers.get("x-opaque-id") or mark
        if told != mark and told.startswith(_MARK):  # something between us and the engine sent an answer a second time
            raise SinkUnavailable(f"{self.where}: this is the answer to another request; it counts for none")
        if meta.status == _PROXY_WANTS_MORE:
            raise SinkRefused(
                f"{self.where}: the proxy wants credentials (407); check elasticsearch.proxy, its user and password",
                exit_code=EX_NOPERM,
            )
        reply = Reply(status=meta.status, body=parse(data or b""), headers=meta.headers)
        if self._product is None:
            self._product = _told(reply)
        return reply


def _told(reply: Reply) -> Product | None:
    """Return the product: Elasticsearch names itself in each answer, OpenSearch in none; what a proxy says tells nothing."""
    if reply.headers.get("x-elastic-product") == "Elasticsearch":
        return "elasticsearch"
    return "opensearch" if reply.ok and isinstance(reply.body, dict) else None


def escape(target: str) -> str:
    """Return a target (names, wildcards and commas) for a URL's path."""
    return quote(target, safe=",*")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None  # the form with a date is left to our own backoff
