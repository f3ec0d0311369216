"""Elastic's own client over connections of ours: its typed API for all that is not a bulk request.

Signatures, proxies, pinned certificates, renewed credentials and hosts that stand in for each other are then the same for
each request. The client speaks to OpenSearch as well, whose API is the same as far as it is used here: it wants to see
Elasticsearch's name in each answer, so it is shown it.
https://www.elastic.co/docs/reference/elasticsearch/clients/python
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig, Transport, TransportApiResponse
from elasticsearch import Elasticsearch

from vpcflow.types import Answered

__all__ = ["AnsweredWithHeaders", "Asks", "client_over"]

_NODE = NodeConfig("http", "localhost", 9200)  # never connected to: the client wants one for its own book-keeping


class AnsweredWithHeaders(Answered, Protocol):
    """What came back, and in which headers."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers."""
        ...


class Asks(Protocol):
    """`vpcflow.sink.engine.EngineSink.request`."""

    def __call__(self, method: str, path: str, body: object = None) -> AnsweredWithHeaders:
        """Ask; any status is returned."""
        ...


def client_over(ask: Asks) -> Elasticsearch:
    """Return a client whose requests all go through `ask`, each once, with plain JSON whatever media type it would take.

    It raises `elasticsearch.ApiError` for a refusal, and whatever `ask` raises.
    """

    class Bridge(Transport):
        def perform_request(  # the other options are about retries and media types
            self, method: str, target: str, *, body: object = None, **_options: object
        ) -> TransportApiResponse:
            reply = ask(method, target, body)
            headers = HttpHeaders({**reply.headers, "x-elastic-product": "Elasticsearch"})
            meta = ApiResponseMeta(status=reply.status, http_version="1.1", headers=headers, duration=0.0, node=_NODE)
            return TransportApiResponse(meta, reply.body)

    return Elasticsearch([_NODE], transport_class=Bridge)
