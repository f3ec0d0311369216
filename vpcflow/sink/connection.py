"""How the engine is reached: options, credentials, and the hosts made of them."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Literal

from elastic_transport import NodeConfig
from elastic_transport.client_utils import parse_cloud_id, url_to_node_config

from vpcflow.clock import Clock
from vpcflow.errors import ConfigError
from vpcflow.sink.hosts import Hosts
from vpcflow.sink.nodes import Node, Way
from vpcflow.sink.sigv4 import Signer
from vpcflow.sink.tls import ClientCertificate, read_fingerprint, trusting

__all__ = ["JSON", "NDJSON", "Credentials", "EngineOptions", "hosts"]

JSON = "application/json"
NDJSON = "application/x-ndjson"
_USER_AGENT = "vpcflow-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What authenticates us; never shown. The first that is set counts."""

    api_key: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Look at what goes into a header as it is: the client's own complaint would show it.

        Raises:
            ConfigError: a line break, or anything else that is not printable ASCII.
        """
        for key in ("api_key", "bearer"):
            value: str = getattr(self, key)
            if value and not (value.isascii() and value.isprintable()):
                raise ConfigError(f"elasticsearch.{key}: holds characters that no such key has; copy it again")

    def headers(self) -> dict[str, str]:
        """Return the Authorization header, or nothing."""
        if self.api_key:
            return {"authorization": f"ApiKey {self.api_key}"}
        if self.bearer:
            return {"authorization": f"Bearer {self.bearer}"}
        if self.username:
            pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            return {"authorization": f"Basic {pair}"}
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How the engine is reached and what is asked of it.

    hosts: URLs with scheme; several: see `vpcflow.sink.hosts`.
    cloud_id: of Elastic Cloud, instead of hosts.
    product: `auto` is told by the answers' headers.
    service, region: sign each request for Amazon OpenSearch Service (`es`) or Serverless (`aoss`); empty: do not.
    ca_certs: file; empty: the system's.
    certificate_fingerprint: SHA-256 of the server's certificate or its CA's, trusted instead of any CA.
    client_cert, client_key: files, for servers that ask for a certificate.
    proxy: URL, with user and password if need be.
    rotation_seconds: how long credentials that were taken before may be refused before we give up.
    connections: to each host, at most; no fewer than the threads that write.
    target: data stream, alias or index in the URL; empty where each action line names its index.
    data_stream: the target must be a data stream.
    pipeline: `_none`, a name, or `default` (the index's own).
    compression_level: of gzip; 0 sends bodies plain.
    max_wire_bytes: the longest body that is sent, after compression.
    """

    hosts: tuple[str, ...] = field(default=("http://127.0.0.1:9200",), repr=False)  # a URL may hold a password
    cloud_id: str = ""
    product: Literal["auto", "elasticsearch", "opensearch"] = "auto"
    service: Literal["", "es", "aoss"] = ""
    region: str = ""
    api_key: str = field(default="", repr=False)
    bearer: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    ca_certs: str = ""
    certificate_fingerprint: str = ""
    client_cert: str = ""
    client_key: str = ""
    proxy: str = field(default="", repr=False)
    connections: int = 10
    request_timeout_seconds: float = 60.0
    rotation_seconds: float = 120.0
    target: str = ""
    data_stream: bool = False
    pipeline: str = "_none"
    compression_level: int = 1
    max_wire_bytes: int = 10_000_000

    @property
    def credentials(self) -> Credentials:
        """Return what authenticates us at the start."""
        return Credentials(api_key=self.api_key, bearer=self.bearer, username=self.username, password=self.password)

    @property
    def where(self) -> str:
        """Name the engine and the target for people, without a password that a URL may hold."""
        first = self.hosts[0].rpartition("@")[2] if self.hosts else ""
        if self.cloud_id:
            first = f"Elastic Cloud {self.cloud_id.partition(':')[0]}"
        others = f" and {len(self.hosts) - 1} more" if len(self.hosts) > 1 and not self.cloud_id else ""
        return f"{first}{others} ({self.target})" if self.target else f"{first}{others}"


def hosts(options: EngineOptions, clock: Clock) -> Hosts:
    """Return the hosts for these options; nothing is sent.

    Raises:
        ConfigError: a host, cloud id, proxy or fingerprint that is none, files that cannot be used, no AWS credentials.
    """
    configs = [_cloud_node(options.cloud_id)] if options.cloud_id else [_node(host) for host in options.hosts]
    if not configs:
        raise ConfigError("elasticsearch.hosts: empty; name at least one URL")
    plain = any(config.scheme == "http" for config in configs)
    for key in ("certificate_fingerprint", "client_cert"):
        if plain and getattr(options, key):  # else it would be left out without a word
            raise ConfigError(f"elasticsearch.{key}: an http:// host has no TLS; write https:// in elasticsearch.hosts")
    if options.ca_certs:  # a wrong path is a mistake, even where no host needs it
        trusting(options.ca_certs, ClientCertificate())
    fingerprint = options.certificate_fingerprint
    way = Way(
        connections=options.connections,
        sending_seconds=options.request_timeout_seconds,
        ca_certs=options.ca_certs,
        fingerprint=read_fingerprint(fingerprint) if fingerprint else "",
        client=ClientCertificate(certificate=options.client_cert, key=options.client_key),
        proxy=options.proxy,
        signer=Signer(options.service, options.region) if options.service else None,
    )
    return Hosts([Node(config, way) for config in configs], clock)


def _node(host: str) -> NodeConfig:
    try:
        config = url_to_node_config(host, use_default_ports_for_scheme=True)
        config.host.encode("idna")  # as the connection will, whose error is no connection error
    except ValueError:  # its message quotes the URL, which may hold a password
        config = None
    if config is None or config.scheme not in ("http", "https"):
        raise ConfigError("elasticsearch.hosts: not a URL like https://host:9200; correct it")
    headers = {**config.headers, "user-agent": _USER_AGENT}
    return config.replace(headers=headers)


def _cloud_node(cloud_id: str) -> NodeConfig:
    try:
        address = parse_cloud_id(cloud_id).es_address
    except ValueError:
        address = None
    if address is None or not address[0]:
        raise ConfigError("elasticsearch.cloud_id: not an id as Elastic Cloud shows it (NAME:…); copy it again")
    host, port = address
    return NodeConfig(scheme="https", host=host, port=port or 443, headers={"user-agent": _USER_AGENT})
