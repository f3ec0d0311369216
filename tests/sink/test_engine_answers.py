"""What becomes of each answer, above all of those that are none: no garbage is ever a success."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable
from typing import TypeAlias

import pytest
import urllib3

from tests.sink.peers import CREATED, DONE, ONE, Canned, Request, Server, nobody
from vpcflow.clock import SystemClock
from vpcflow.errors import SinkError, SinkRefused, SinkUnavailable
from vpcflow.sink.abstract import BodyTooLarge
from vpcflow.sink.engine import EngineSink
from vpcflow.sink.nodes import _InTime
from vpcflow.types import Bulk

Connect: TypeAlias = Callable[..., EngineSink]
HTML = {"Content-Type": "text/html"}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_the_client_itself_never_tries_again(server: Server, connect: Connect, status: int) -> None:
    server.answers = [Canned(status=status, body=b"<html>", headers={**HTML, "Retry-After": "7"})]
    with pytest.raises(SinkUnavailable) as caught:
        connect(server).write(ONE)
    assert caught.value.retry_after == 7
    assert len(server.bulks) == 1


@pytest.mark.parametrize(
    "canned",
    [
        Canned(hang_up=True),
        Canned(cut=10),
        Canned(cut=len(CREATED)),
        Canned(body=b"{"),
        Canned(body=CREATED[:-1]),
        Canned(body=b""),
        Canned(status=204, body=b""),
        Canned(status=202, body=b'{"errors":false}'),
        Canned(body=b"<html><body>Please log in</body></html>", headers=HTML),
        Canned(body=b"<html>", headers={"Content-Type": "application/json"}),
        Canned(body=b"", headers={"Content-Type": "image/png"}),
        Canned(body=b"<xml/>", headers={"Content-Type": "application/xml"}),
        Canned(body=b"{}", headers={"Content-Type": "application/vnd.other+json"}),
        Canned(body=b"null"),
        Canned(body=b"true"),
        Canned(body=b"[]"),
        Canned(body=b'{"errors":false,"items":[]}'),
        Canned(body=b'{"errors":false,"items":null}'),
        Canned(body=b'{"errors":false,"items":[{}]}'),
        Canned(body=b'{"errors":false,"items":[{"create":{}}]}'),
        Canned(body=b'{"errors":false,"items":[{"create":{"status":"201"}}]}'),
        Canned(body=b'{"errors":false,"items":[{"index":{"status":201}}]}'),
        Canned(body=b'{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}'),
        Canned(body=b"\xff\xfe\x00garbage"),
        Canned(body=b"\x1f\x8bnot gzip", headers={"Content-Encoding": "gzip"}),
    ],
)
def test_answers_that_decide_nothing(server: Server, connect: Connect, canned: Canned) -> None:
    server.answers = [canned]
    with pytest.raises(SinkUnavailable) as caught:
        connect(server).write(ONE)
    assert "\n" not in str(caught.value)
    assert len(server.bulks) == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: Server, connect: Connect, serve: Callable[[], Server], status: int) -> None:
    other = serve()
    server.answers = [Canned(status=status, body=b"", headers={"Location": f"{other.url}/logs-x-y/_bulk"})]
    with pytest.raises(SinkRefused, match="redirect") as caught:
        connect(server, product="opensearch").write(ONE)
    assert caught.value.exit_code == 78
    assert other.requests == [], "credentials and data stay where they were meant to go"


@pytest.mark.parametrize("status", [400, 404, 405, 406, 407, 409, 410, 415, 418, 421, 451])
def test_pages_of_somebody_between_are_refusals(server: Server, connect: Connect, status: int) -> None:
    server.answers = [Canned(status=status, body=b"<html>no</html>", headers=HTML)]
    with pytest.raises(SinkError):
        connect(server).write(ONE)
    assert len(server.bulks) == 1


def test_any_media_type_with_the_right_content_will_do(server: Server, connect: Connect) -> None:
    server.answers = [Canned(headers={"Content-Type": "application/vnd.elasticsearch+json; compatible-with=8"})]
    assert list(connect(server).write(ONE).outcomes) == DONE


def test_a_compressed_answer_is_read(server: Server, connect: Connect) -> None:
    server.answers = [Canned(body=gzip.compress(CREATED), headers={"Content-Encoding": "gzip"})]
    assert list(connect(server).write(ONE).outcomes) == DONE


def test_413_is_its_own_error(server: Server, connect: Connect) -> None:
    server.answers = [Canned(status=413, body=b"")]
    with pytest.raises(BodyTooLarge):
        connect(server).write(ONE)


def test_a_collection_that_takes_no_ids(server: Server, connect: Connect) -> None:
    """As Amazon OpenSearch Serverless answers for a collection that is not of type SEARCH."""
    reason = "Document ID is not supported in create/index operation request"
    item = f'{{"create":{{"status":400,"error":{{"type":"illegal_argument_exception","reason":"{reason}"}}}}}}'
    server.answers = [Canned(body=f'{{"errors":true,"items":[{item}]}}'.encode())]
    with pytest.raises(SinkRefused, match=r"index\.accept_duplicates") as caught:
        connect(server).write(ONE)
    assert caught.value.exit_code == 78


def test_nobody_listens(connect: Connect) -> None:
    with pytest.raises(SinkUnavailable, match="Connection refused"):
        connect(hosts=(nobody(),)).write(ONE)


def test_a_name_that_nobody_knows(connect: Connect) -> None:
    with pytest.raises(SinkUnavailable, match=r"nowhere\.invalid"):
        connect(hosts=("http://nowhere.invalid:9200",)).write(ONE)


def test_a_silent_server_is_left_after_the_timeout(connect: Connect) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(SinkUnavailable, match="ConnectionTimeout"):
            connect(hosts=(url,), request_timeout_seconds=0.1).write(ONE)


def test_a_server_that_speaks_something_else(connect: Connect) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        engine = connect(hosts=(f"http://127.0.0.1:{other.getsockname()[1]}",), product="opensearch")
        other.settimeout(60)

        def greet() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(10)
                connection.sendall(b"220 mail.example.com ESMTP\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(SinkUnavailable):
            engine.write(Bulk(ONE.body, 1))
        thread.join()


def test_an_answer_to_another_request_counts_for_none(server: Server, connect: Connect) -> None:
    """An answer that comes a second time would be taken for that of the next request on its connection.

    https://www.elastic.co/docs/reference/elasticsearch/rest-apis/api-conventions#x-opaque-id: it comes back with the answer.
    """
    engine = connect(server, product="opensearch")
    marks: list[str] = []

    def stale(request: Request) -> Canned:
        marks.append(request.headers["x-opaque-id"])
        return Canned(headers={"X-Opaque-Id": marks[0]})

    server.judge = stale
    assert list(engine.write(ONE).outcomes) == DONE
    with pytest.raises(SinkUnavailable, match="another request"):
        engine.write(ONE)
    assert len(set(marks)) == 2


@pytest.mark.parametrize("theirs", [{}, {"X-Opaque-Id": "gateway-7"}])
def test_who_tells_nothing_of_ours_is_believed(server: Server, connect: Connect, theirs: dict[str, str]) -> None:
    engine = connect(server, product="opensearch")
    server.answers = [Canned(headers=theirs)]
    for _ in range(2):
        assert list(engine.write(ONE).outcomes) == DONE


def test_an_answer_that_never_ends_is_cut_off(connect: Connect) -> None:
    """Each byte comes in time, the whole answer does not."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cut = threading.Event()

        def drip() -> None:
            client, _ = listener.accept()
            client.recv(65_536)
            client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            try:
                for _ in range(1_000):
                    client.sendall(b" ")
                    SystemClock().sleep(0.01)
            except OSError:
                cut.set()
            client.close()

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        engine = connect(hosts=(url,), product="opensearch", request_timeout_seconds=0.2)
        with pytest.raises(SinkUnavailable, match="no usable answer"):
            engine.write(ONE)
        thread.join()
        assert cut.is_set()


def test_answers_without_end_are_cut_off(server: Server, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than there are connections: each gives its place back."""
    monkeypatch.setattr("vpcflow.sink.nodes._MOST_BYTES", 100_000)
    server.answers = [*[Canned(body=b" " * 200_000 + CREATED)] * 3, Canned(body=b" " * 99_000 + CREATED)]
    engine = connect(server, product="opensearch", connections=2)
    for _ in range(3):
        with pytest.raises(SinkUnavailable, match="no usable answer: ConnectionError: ProtocolError"):
            engine.write(ONE)
    assert engine.write(ONE).outcomes == DONE


def test_the_wait_for_a_place_in_the_pool_has_an_end() -> None:
    pool = urllib3.HTTPConnectionPool("127.0.0.1", maxsize=1, block=True)
    pool._get_conn()
    with pytest.raises(urllib3.exceptions.EmptyPoolError):
        _InTime(pool).urlopen("POST", "/_bulk", timeout=urllib3.Timeout(connect=1, read=0.1))
