"""Who is at the other end in these tests: an HTTP(S) server that says what it is told, a proxy, a certificate authority."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vpcflow.types import Bulk, Outcome

BODY = b'{"create":{"_id":"a"}}\n{"@timestamp":1,"n":"\xc3\xa4"}\n'
CREATED = b'{"errors":false,"items":[{"create":{"status":201}}]}'
ELASTIC = {"X-Elastic-Product": "Elasticsearch"}
ROOT = b'{"version":{"number":"3.6.0","distribution":"opensearch"}}'
ONE = Bulk(BODY, 1)
DONE = [Outcome.CREATED]


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)


@dataclass
class Canned:
    status: int = 200
    body: bytes = CREATED
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False
    cut: int = 0


Judge = Callable[[Request], Canned | None]


class Server(ThreadingHTTPServer):
    """Answers from a list; the last answer stays. `GET /` has one of its own. `judge` may answer before either."""

    daemon_threads = True

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.tls = tls
        self.requests: list[Request] = []
        self.answers: list[Canned] = [Canned()]
        self.root = Canned(body=ROOT)
        self.judge: Judge = lambda _: None
        self._next = threading.Lock()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.server_port}"

    def get_request(self) -> tuple[socket.socket, object]:
        connection, address = super().get_request()
        connection.settimeout(60)  # a client that never speaks must not stop the others
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: handshakes that fail are what some tests are about."""

    def next_answer(self, request: Request) -> Canned:
        self.requests.append(request)
        told = self.judge(request)  # it may wait for other requests
        if told is not None:
            return told
        with self._next:
            if request.path == "/":
                return self.root
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def bulks(self) -> list[Request]:
        return [request for request in self.requests if "/_bulk" in request.path]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        canned = self.server.next_answer(Request(self.command, self.path, headers, body))
        self.close_connection = True
        if canned.hang_up:
            return
        self.send_response(canned.status)
        for name, value in {"Content-Type": "application/json", **canned.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(canned.body)))
        self.end_headers()
        self.wfile.write(canned.body[: len(canned.body) - canned.cut])

    def __getattr__(self, name: str) -> object:
        """Answer every method alike: the base class looks for `do_GET` and so on."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


@contextlib.contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[None]:
    """Serve until the end of the block."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def nobody() -> str:
    """Return a URL where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"


class Proxy(ThreadingHTTPServer):
    """An HTTP proxy: tunnels by CONNECT, and plain requests for http URLs; with `wanted` it asks for that header."""

    daemon_threads = True

    def __init__(self, wanted: str = "", status: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), ProxyHandler)
        self.wanted, self.status = wanted, status
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class ProxyHandler(BaseHTTPRequestHandler):
    server: Proxy

    def _refused(self) -> bool:
        self.server.asked.append(f"{self.command} {self.path}")
        self.close_connection = True
        status = self.server.status
        if self.server.wanted and self.headers.get("proxy-authorization") != self.server.wanted:
            status = 407
        if status:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()
        return bool(status)

    def do_CONNECT(self) -> None:
        if self._refused():
            return
        host, _, port = self.path.rpartition(":")
        with socket.create_connection((host, int(port)), timeout=60) as there:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(there, self.connection))
            back.start()
            _copy(self.connection, there)
            back.join()

    def do_POST(self) -> None:
        """Pass the request on, its URL as that of an origin."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self._refused():
            return
        url = urlsplit(self.path)
        with socket.create_connection((url.hostname or "", url.port or 80), timeout=60) as there:
            lines = [f"{self.command} {url.path}?{url.query} HTTP/1.0"]
            lines += [
                f"{name}: {value}" for name, value in self.headers.items() if name.lower() != "proxy-authorization"
            ]
            there.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            _copy(there, self.connection)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        pass


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


class Authority:
    """Signs certificates for 127.0.0.1; everything lies in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._signed(self._name, self._key, ca=True)
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(_pem(self.certificate))

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)

    def issue(self, name: str, *, chain: bool = False, expired: bool = False) -> tuple[Path, Path, x509.Certificate]:
        """Return files of a certificate (with the CA's after it, if `chain`) and of its key, and the certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._signed(subject, key, ca=False, hours=-0.5 if expired else 24)
        paths = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        paths[0].write_bytes(_pem(certificate) + (_pem(self.certificate) if chain else b""))
        paths[1].write_bytes(_key_pem(key, serialization.NoEncryption()))
        return *paths, certificate

    def serving(self, name: str, *, chain: bool = False, clients: Authority | None = None) -> ssl.SSLContext:
        """Return a server's context; with `clients` it wants a certificate of that authority."""
        certificate, key, _ = self.issue(name, chain=chain)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients.path)
        return context

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool, hours: float = 24
    ) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=hours))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if ca:
            usage = dict.fromkeys(
                ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
                 "decipher_only", "digital_signature"), False
            )  # fmt: skip
            builder = builder.add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        else:
            name = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([name]), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def fingerprint(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def encrypt(path: Path) -> None:
    """Put a password on a key file."""
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    path.write_bytes(_key_pem(key, serialization.BestAvailableEncryption(b"geheim")))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
