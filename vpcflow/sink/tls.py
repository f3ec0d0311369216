"""Whom we trust over TLS: CA certificates, or one certificate pinned by its fingerprint; and our own client certificate."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from urllib3 import HTTPSConnectionPool
from urllib3.connection import HTTPSConnection

from vpcflow.errors import ConfigError

__all__ = ["ClientCertificate", "FingerprintError", "Pin", "pinned_pool", "read_fingerprint", "trusting"]

_SHA256 = re.compile("[0-9a-f]{64}")


class FingerprintError(ssl.SSLError):
    """None of the server's certificates has the fingerprint that is wanted. Nothing but the handshake was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCertificate:
    """Files of the certificate that we show (mutual TLS); an empty `key`: it is in the same file. Both empty: none."""

    certificate: str = ""
    key: str = ""

    def load(self, context: ssl.SSLContext) -> None:
        """Show it in the handshakes of `context`.

        Raises:
            ConfigError: a file that is not there, is no certificate or key, or a key that wants a password.
        """
        if not self.certificate:
            return
        for name, path in (("client_cert", self.certificate), ("client_key", self.key)):
            if path and not Path(path).is_file():
                raise ConfigError(f"elasticsearch.{name}: no file at {path}; correct the path")
        try:
            context.load_cert_chain(self.certificate, self.key or None, password=_no_password)
        except (ssl.SSLError, OSError) as error:
            reason = getattr(error, "reason", None) or error.strerror or "unreadable"
            raise ConfigError(
                f"elasticsearch.client_cert: no certificate with its key in PEM form: {reason}; correct the files"
            ) from error


def _no_password() -> bytes:
    """Stand in for OpenSSL's own question on the terminal, which would wait for ever."""
    raise ConfigError("elasticsearch.client_key: encrypted; give a file without a password, for our eyes only")


def trusting(ca_certs: str, client: ClientCertificate) -> ssl.SSLContext:
    """Return a context that trusts the CAs of a file and no others; empty: the system's.

    Raises:
        ConfigError: a file that is not there, or holds no certificates.
    """
    if ca_certs and not Path(ca_certs).is_file():
        raise ConfigError(f"elasticsearch.ca_certs: no file at {ca_certs}; correct the path")
    try:
        context = ssl.create_default_context(cafile=ca_certs or None)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"elasticsearch.ca_certs: no certificates in PEM form in {ca_certs}") from error
    client.load(context)
    return context


def read_fingerprint(text: str) -> str:
    """Return 64 hexadecimal digits, given them as Elasticsearch (plain) or openssl (with colons) prints them.

    Raises:
        ConfigError: something else.
    """
    digits = text.strip().replace(":", "").lower()
    if not _SHA256.fullmatch(digits):
        raise ConfigError(
            "elasticsearch.certificate_fingerprint: not a SHA-256 fingerprint; give its 64 hexadecimal digits"
        )
    return digits


class Pin:
    """One certificate that is trusted instead of the system's CAs: the server's own, or that of its CA.

    Elasticsearch prints the fingerprint of its CA when it starts for the first time. A fingerprint cannot check a chain, so
    the certificate itself is learned from the first handshake of each host, and is then the only one that is trusted: a
    server that merely shows somebody else's CA certificate next to its own does not get through.
    """

    def __init__(self, fingerprint: str, client: ClientCertificate) -> None:
        """Trust nobody yet."""
        self.context: ssl.SSLContext | None = None
        self._fingerprint = fingerprint
        self._client = client
        self._meeting = self._plain()

    @property
    def meeting(self) -> ssl.SSLContext:
        """Return the context of the first handshake, which checks nothing and over which nothing is sent."""
        return self._meeting

    def learn(self, chain: list[bytes]) -> ssl.SSLContext:
        """Trust the one certificate of `chain` (DER) that has the fingerprint.

        Raises:
            FingerprintError: none has.
        """
        for certificate in chain:
            if hashlib.sha256(certificate).hexdigest() == self._fingerprint:
                context = self._plain()
                context.verify_mode = ssl.CERT_REQUIRED
                context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be a root
                context.load_verify_locations(cadata=certificate)
                self.context = context
                return context
        shown = hashlib.sha256(chain[0]).hexdigest() if chain else "none"
        raise FingerprintError(f"its certificate has the fingerprint {shown}")

    def _plain(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._client.load(context)
        return context


class _PinnedConnection(HTTPSConnection):
    """Shakes hands twice the first time: once to learn the pinned certificate, once to check against it."""

    pin: ClassVar[Pin]
    _tunnel: Any

    def set_tunnel(self, *args: Any, **options: Any) -> None:  # noqa: ANN401 - as it is there
        """Keep it: closing a connection forgets the tunnel through a proxy."""
        self._asked_tunnel = (args, options)
        super().set_tunnel(*args, **options)

    def connect(self) -> None:
        """Return when the server has proved that it is the pinned one."""
        trusted = self.pin.context
        if trusted is None:
            self.ssl_context, self.cert_reqs = self.pin.meeting, ssl.CERT_NONE
            super().connect()
            try:
                trusted = self.pin.learn(_shown(self.sock))
            finally:
                self.close()
            if hasattr(self, "_asked_tunnel"):
                args, options = self._asked_tunnel
                super().set_tunnel(*args, **options)
        self.ssl_context, self.cert_reqs = trusted, ssl.CERT_REQUIRED
        super().connect()


def _shown(sock: Any) -> list[bytes]:  # noqa: ANN401 - a TLS socket, or urllib3's TLS inside TLS
    """Return the certificates that the server showed, DER, its own first. Public from Python 3.13 on."""
    tls = getattr(sock, "sslobj", sock)
    if hasattr(tls, "get_unverified_chain"):
        return list(tls.get_unverified_chain())
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in tls._sslobj.get_unverified_chain()]  # noqa: SLF001


def pinned_pool(pin: Pin) -> type[HTTPSConnectionPool]:
    """Return a pool class whose connections trust `pin` alone."""

    class Connection(_PinnedConnection):
        pass

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    Connection.pin = pin
    return Pool
