"""TLS against real servers, with certificates made here: authorities, a pinned certificate, our own certificate."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.sink.peers import DONE, ONE, Authority, Server, encrypt, fingerprint
from vpcflow.errors import ConfigError, SinkRefused, SinkUnavailable
from vpcflow.sink.engine import EngineSink

Connect: TypeAlias = Callable[..., EngineSink]
Serve: TypeAlias = Callable[[ssl.SSLContext], Server]


def refused(engine: EngineSink, server: Server, words: str, code: int = 78) -> str:
    """Write; expect a refusal, and a server that has seen neither credentials nor data."""
    with pytest.raises(SinkRefused, match=words) as caught:
        engine.write(ONE)
    assert caught.value.exit_code == code
    assert server.requests == []
    return str(caught.value)


def test_the_right_authority(connect: Connect, serve: Serve, authority: Authority) -> None:
    server = serve(authority.serving("server"))
    assert list(connect(server, ca_certs=str(authority.path)).write(ONE).outcomes) == DONE


def test_another_authority(connect: Connect, serve: Serve, authority: Authority, stranger: Authority) -> None:
    server = serve(authority.serving("server"))
    refused(connect(server, ca_certs=str(stranger.path)), server, "not trusted: .*; set elasticsearch.ca_certs")


def test_the_systems_authorities_do_not_know_ours(connect: Connect, serve: Serve, authority: Authority) -> None:
    server = serve(authority.serving("server"))
    refused(connect(server, api_key="k"), server, "not trusted")


def test_a_file_of_authorities_is_trusted_instead_of_the_systems(tmp_path: Path, authority: Authority) -> None:
    """The client alone would add those of the package certifi to any file."""
    from vpcflow.sink.tls import ClientCertificate, trusting

    context = trusting(str(authority.path), ClientCertificate())
    assert context.cert_store_stats()["x509_ca"] == 1


def test_another_name(connect: Connect, serve: Serve, authority: Authority) -> None:
    server = serve(authority.serving("server"))
    url = server.url.replace("127.0.0.1", "localhost")
    refused(connect(hosts=(url,), ca_certs=str(authority.path)), server, "not trusted: .*localhost")


def test_a_file_without_certificates(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("")
    with pytest.raises(ConfigError, match=r"elasticsearch\.ca_certs: no certificates in PEM form"):
        connect(hosts=("https://127.0.0.1:1",), ca_certs=str(tmp_path / "ca.pem"))


def test_https_where_nobody_speaks_it(server: Server, connect: Connect) -> None:
    engine = connect(hosts=(server.url.replace("http:", "https:"),))
    refused(engine, server, "http://")


def spelled(digits: str) -> list[str]:
    return [digits, digits.upper(), ":".join(digits[at : at + 2] for at in range(0, 64, 2)).upper()]


@pytest.mark.parametrize("spelling", [0, 1, 2])
def test_the_pinned_certificate_of_the_server(
    connect: Connect, serve: Serve, authority: Authority, spelling: int
) -> None:
    context = authority.serving("pinned")
    server = serve(context)
    certificate = authority.issue("other")[2]
    wanted = fingerprint(_loaded(authority, "pinned"))
    assert wanted != fingerprint(certificate)
    engine = connect(server, certificate_fingerprint=spelled(wanted)[spelling])
    assert [list(engine.write(ONE).outcomes) for _ in range(3)] == [DONE] * 3


def _loaded(authority: Authority, name: str) -> object:
    from cryptography import x509

    return x509.load_pem_x509_certificate((authority.path.parent / f"{name}.crt").read_bytes())


def test_the_pinned_certificate_of_the_authority(connect: Connect, serve: Serve, authority: Authority) -> None:
    """The one whose fingerprint Elasticsearch prints; the server shows it after its own."""
    server = serve(authority.serving("server", chain=True))
    engine = connect(server, certificate_fingerprint=authority.fingerprint)
    assert [list(engine.write(ONE).outcomes) for _ in range(2)] == [DONE] * 2


def test_another_certificate_than_the_pinned(
    connect: Connect, serve: Serve, authority: Authority, stranger: Authority
) -> None:
    server = serve(authority.serving("server", chain=True))
    engine = connect(server, certificate_fingerprint=stranger.fingerprint, api_key="geheim")
    said = refused(engine, server, "elasticsearch.certificate_fingerprint")
    assert fingerprint(_loaded(authority, "server")) in said, "what it is instead"  # type: ignore[arg-type]


def test_somebody_who_shows_the_pinned_authority_without_being_signed_by_it(
    connect: Connect, serve: Serve, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    """Anybody can show a CA's certificate, and write its name into a certificate of his own."""
    own, key, _ = stranger.issue("impostor")
    (tmp_path / "both.crt").write_bytes(own.read_bytes() + authority.path.read_bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.crt", key)
    server = serve(context)
    refused(connect(server, certificate_fingerprint=authority.fingerprint), server, "not trusted")


def test_a_server_that_changes_after_the_first_request(
    connect: Connect, serve: Serve, authority: Authority, stranger: Authority
) -> None:
    context = authority.serving("server", chain=True)
    server = serve(context)
    engine = connect(server, certificate_fingerprint=authority.fingerprint, product="opensearch")
    assert list(engine.write(ONE).outcomes) == DONE
    server.tls = stranger.serving("server")
    with pytest.raises(SinkRefused, match="not trusted"):
        engine.write(ONE)
    assert len(server.bulks) == 1


def test_many_threads_pin_at_once(connect: Connect, serve: Serve, authority: Authority) -> None:
    server = serve(authority.serving("server", chain=True))
    engine = connect(server, certificate_fingerprint=authority.fingerprint)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(list(engine.write(ONE).outcomes))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [DONE] * 6


@pytest.mark.parametrize("pinned", [False, True])
def test_our_own_certificate(connect: Connect, serve: Serve, authority: Authority, *, pinned: bool) -> None:
    server = serve(authority.serving("server", chain=True, clients=authority))
    certificate, key, _ = authority.issue("client")
    trust = {"certificate_fingerprint": authority.fingerprint} if pinned else {"ca_certs": str(authority.path)}
    engine = connect(server, client_cert=str(certificate), client_key=str(key), **trust)
    assert list(engine.write(ONE).outcomes) == DONE


def test_certificate_and_key_in_one_file(connect: Connect, serve: Serve, authority: Authority, tmp_path: Path) -> None:
    server = serve(authority.serving("server", clients=authority))
    certificate, key, _ = authority.issue("client")
    both = tmp_path / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    assert list(connect(server, ca_certs=str(authority.path), client_cert=str(both)).write(ONE).outcomes) == DONE


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_certificate_gets_none(
    connect: Connect, serve: Serve, authority: Authority, version: ssl.TLSVersion
) -> None:
    """With TLS 1.3 the refusal comes after our request, and may be lost on its way: then it is only no answer."""
    context = authority.serving("server", clients=authority)
    context.minimum_version = context.maximum_version = version
    server = serve(context)
    with pytest.raises((SinkRefused, SinkUnavailable)) as caught:
        connect(server, ca_certs=str(authority.path)).write(ONE)
    assert server.requests == []
    if version is ssl.TLSVersion.TLSv1_2:
        assert isinstance(caught.value, SinkRefused)
        assert caught.value.exit_code == 77
        assert "elasticsearch.client_cert" in str(caught.value)


def test_a_certificate_that_the_server_does_not_know(
    connect: Connect, serve: Serve, authority: Authority, stranger: Authority
) -> None:
    context = authority.serving("server", clients=authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = serve(context)
    certificate, key, _ = stranger.issue("client")
    engine = connect(server, ca_certs=str(authority.path), client_cert=str(certificate), client_key=str(key))
    refused(engine, server, "refuses our side of TLS", code=77)


def test_a_certificate_of_ours_that_expired(connect: Connect, serve: Serve, authority: Authority) -> None:
    context = authority.serving("server", clients=authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = serve(context)
    certificate, key, _ = authority.issue("client", expired=True)
    engine = connect(server, ca_certs=str(authority.path), client_cert=str(certificate), client_key=str(key))
    refused(engine, server, "refuses our side of TLS", code=77)


def test_files_that_are_no_certificate_with_its_key(connect: Connect, authority: Authority, tmp_path: Path) -> None:
    certificate, key, _ = authority.issue("client")
    other = authority.issue("other")[1]
    empty = tmp_path / "empty.pem"
    empty.touch()
    url = ("https://127.0.0.1:1",)
    for files in ((empty, key), (certificate, empty), (certificate, other)):
        with pytest.raises(ConfigError, match=r"elasticsearch\.client_cert: no certificate with its key"):
            connect(hosts=url, client_cert=str(files[0]), client_key=str(files[1]))
    with pytest.raises(ConfigError, match=r"elasticsearch\.client_key: no file at .*none\.key"):
        connect(hosts=url, client_cert=str(certificate), client_key=str(tmp_path / "none.key"))
    encrypt(key)
    with pytest.raises(ConfigError, match=r"elasticsearch\.client_key: encrypted"):
        connect(hosts=url, client_cert=str(certificate), client_key=str(key))
