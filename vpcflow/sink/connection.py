"""How the engine is reached: options, credentials, and the client's transport without its own ideas."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from elastic_transport import NodeConfig, Serializer, Transport
from elastic_transport.client_utils import url_to_node_config
from elasticsearch import Elasticsearch

from vpcflow.errors import ConfigError

__all__ = ["Credentials", "EngineOptions", "transport"]

JSON = "application/json"
NDJSON = "application/x-ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What authenticates us; never shown."""

    api_key: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)

    def headers(self) -> dict[str, str]:
        """Return the Authorization header, or nothing."""
        if self.api_key:
            return {"authorization": f"ApiKey {self.api_key}"}
        if self.username:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return {"authorization": f"Basic {pair}"}
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How the engine is reached and what is asked of it.

    hosts: URLs with scheme; several: the next one is asked when one is down.
    product: `auto` is told by the answers' headers.
    ca_certs: file; empty: the system's.
    target: data stream, alias or index in the URL; empty where each action line names its index.
    data_stream: the target must be a data stream.
    pipeline: `_none`, a name, or `default` (the index's own).
    compression_level: of gzip; 0 sends bodies plain.
    """

    hosts: tuple[str, ...] = ("http://127.0.0.1:9200",)
    product: Literal["auto", "elasticsearch", "opensearch"] = "auto"
    api_key: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_certs: str = ""
    request_timeout_seconds: float = 60.0
    target: str = ""
    data_stream: bool = False
    pipeline: str = "_none"
    compression_level: int = 1


class _Untouched(Serializer):
    """Bytes in, the same bytes out; answers are parsed where they are understood, whatever their media type."""

    mimetype = JSON

    def dumps(self, data: bytes) -> bytes:
        """Return what was given."""
        return data

    def loads(self, data: bytes) -> bytes:
        """Return what was given."""
        return data


def transport(options: EngineOptions) -> Transport:
    """Return the transport of a client for these options; nothing is sent.

    Raises:
        ConfigError: a host that is no URL, a CA file that is not there.
    """
    try:
        nodes = [url_to_node_config(host, use_default_ports_for_scheme=True) for host in options.hosts]
    except ValueError:  # its message quotes the URL, which may hold a password
        raise ConfigError("elasticsearch.hosts: not a URL like https://host:9200; correct it") from None
    if not nodes:
        raise ConfigError("elasticsearch.hosts: empty; name at least one URL")
    if options.ca_certs and not Path(options.ca_certs).is_file():
        raise ConfigError(f"elasticsearch.ca_certs: no file at {options.ca_certs}; correct the path")
    untouched = _Untouched()
    client = Elasticsearch(
        [_with_trust(node, options.ca_certs) for node in nodes],
        max_retries=0,
        retry_on_timeout=False,
        serializers={JSON: untouched, NDJSON: untouched, "application/*": untouched, "text/*": untouched},
    )
    return client.transport


def _with_trust(node: NodeConfig, ca_certs: str) -> NodeConfig:
    if node.scheme != "https":
        return node
    if ca_certs:
        return node.replace(ca_certs=ca_certs)
    return node.replace(
        ssl_context=ssl.create_default_context()
    )  # the system's, where the client alone would ask certifi
