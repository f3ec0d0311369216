"""The search engine over HTTP: Elasticsearch 8 and 9, OpenSearch 2 and 3, with one client.

The `elasticsearch` client itself refuses OpenSearch, after the server has done the work, and puts its own major version into
the media types. So everything goes through the transport below it, with plain media types. Its own retries are off for each
request (the transport does not inherit that from the client), and bytes pass its serializers untouched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

import orjson
from elastic_transport import ApiError as TransportApiError
from elastic_transport import TransportError

from vpcflow.errors import SinkUnavailable
from vpcflow.sink.compression import compress
from vpcflow.sink.connection import JSON, NDJSON, Credentials, EngineOptions, transport
from vpcflow.sink.failures import translate
from vpcflow.sink.response import FILTER_PATH, parse, read_bulk, request_error
from vpcflow.sink.target import Change, check_data_stream, put_template
from vpcflow.types import Answer, Bulk

__all__ = ["Credentials", "EngineOptions", "EngineSink", "Reply"]

Product = Literal["elasticsearch", "opensearch"]

_OK = range(200, 300)
_UNAUTHORIZED, _BAD_REQUEST = 401, 400
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
    """A `vpcflow.sink.abstract.Sink` over HTTP. Connections are made when first needed."""

    def __init__(self, options: EngineOptions, *, reload: Callable[[], Credentials] | None = None) -> None:
        """Prepare; nothing is sent.

        Args:
            options: where and how.
            reload: reads the credentials again; asked after a 401, so that a rotated secret does not stop us.

        Raises:
            ConfigError: a host that is no URL, a CA file that is not there.
        """
        self._options = options
        self._reload = reload
        self._credentials = Credentials(api_key=options.api_key, username=options.username, password=options.password)
        self._product: Product | None = None if options.product == "auto" else options.product
        self._asked = False  # who is there
        self._require_data_stream = True  # until the engine says that it does not know it
        self._transport = transport(options)
        self.where = _where(options)

    @property
    def product(self) -> Product | None:
        """Return the product as told by settings or by an answer; None while neither has."""
        return self._product

    def write(self, bulk: Bulk) -> Answer:
        """Send one body, see `Sink.write`."""
        if self._product is None and self._options.data_stream and not self._asked:
            self.identify()
        level = self._options.compression_level
        headers = {"content-type": NDJSON}
        body = bulk.body
        if level:
            headers["content-encoding"] = "gzip"
            body = compress(body, level)
        reply = self._send("POST", self._bulk_path(), body, headers)
        if self._parameter_unknown(reply):
            self._require_data_stream = False
            reply = self._send("POST", self._bulk_path(), body, headers)
        return read_bulk(
            reply.status, reply.body, bulk.count, where=self.where, retry_after=_retry_after(reply.headers)
        )

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

    def search(self, target: str, body: Mapping[str, object]) -> dict[str, object]:
        """Run a search; a missing target gives no hits.

        Raises:
            SinkUnavailable: no answer, or a passing failure.
            SinkRefused: any other refusal.
        """
        return self.ask("POST", f"/{escape(target)}/_search?ignore_unavailable=true", body)

    def count(self, target: str) -> int:
        """Return how many documents can be found, 0 for a target that does not exist; `refresh` first to see all."""
        found = self.ask("GET", f"/{escape(target)}/_count?ignore_unavailable=true")["count"]
        if not isinstance(found, int):
            raise SinkUnavailable(f"{self.where}: the answer holds no count")
        return found

    def refresh(self, target: str) -> None:
        """Make what was written searchable."""
        self.ask("POST", f"/{escape(target)}/_refresh?ignore_unavailable=true")

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _bulk_path(self) -> str:
        options = self._options
        query = {"filter_path": FILTER_PATH}
        if options.pipeline != "default":
            query["pipeline"] = options.pipeline
        if options.data_stream and options.target and self._product == "elasticsearch" and self._require_data_stream:
            query["require_data_stream"] = "true"
        prefix = f"/{escape(options.target)}" if options.target else ""
        return f"{prefix}/_bulk?{urlencode(query, safe=',*')}"

    def _parameter_unknown(self, reply: Reply) -> bool:
        """Return whether the engine is older than `require_data_stream` (Elasticsearch before 8.13)."""
        if reply.status != _BAD_REQUEST or not isinstance(reply.body, dict):
            return False
        return bool(_UNKNOWN_PARAMETER.search(str(reply.body.get("error"))))

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        reply = self._perform(method, path, body, headers)
        if reply.status == _UNAUTHORIZED and self._reload is not None:
            fresh = self._reload()
            if fresh != self._credentials:
                self._credentials = fresh
                reply = self._perform(method, path, body, headers)
        return reply

    def _perform(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        try:
            meta, data = self._transport.perform_request(
                method,
                path,
                body=body,
                headers={"accept": JSON, **self._credentials.headers(), **headers},
                max_retries=0,
                retry_on_timeout=False,
                retry_on_status=(),
                request_timeout=self._options.request_timeout_seconds,
            )
        except (TransportError, TransportApiError) as error:
            raise translate(error, self.where) from error
        if self._product is None:
            self._product = _told(meta.status, meta.headers)
        return Reply(status=meta.status, body=parse(data or b""), headers=meta.headers)


def _told(status: int, headers: Mapping[str, str]) -> Product | None:
    """Return the product: Elasticsearch names itself in each answer, OpenSearch in none; a proxy's error tells nothing."""
    if headers.get("x-elastic-product") == "Elasticsearch":
        return "elasticsearch"
    return "opensearch" if status in _OK else None


def _where(options: EngineOptions) -> str:
    """Name the engine and the target for people, without a password that a URL may hold."""
    host = options.hosts[0].rpartition("@")[2]
    others = f" and {len(options.hosts) - 1} more" if len(options.hosts) > 1 else ""
    return f"{host}{others} ({options.target})" if options.target else f"{host}{others}"


def escape(target: str) -> str:
    """Return a target (names, wildcards and commas) for a URL's path."""
    return quote(target, safe=",*")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("retry-after", "")
    return float(text) if text.isdecimal() else None  # the form with a date is left to our own backoff
