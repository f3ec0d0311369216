"""What stands around LocalStack: the table of who serves what, patterns, the way to the engine."""

from __future__ import annotations

import re
import urllib.request
from pathlib import Path

import pytest

from tests.integration.cloud import SERVED_BY, Server
from tests.integration.own_logs import matcher
from tests.integration.sinks import reachable
from tests.quiet_http import QuietRequests, QuietServer, running

ROOT = Path(__file__).resolve().parents[2]
LINE = "2 123456789012 eni-1 10.0.0.1 10.0.0.2 1 443 6 10 840 1 2 REJECT OK"
COLUMNS = (
    "version, account, interface, source, destination, srcport, {dstport}, protocol, packets, bytes, start, end,"
    " {action}, status"
)


def test_the_page_says_who_serves_which_flow() -> None:
    rows = re.findall(r"^\| ([^|`:]*→[^|`:]*)[^|]* \|(.*)\|(.*)\|(.*)\|$", page(), re.MULTILINE)
    told = {
        flow.strip(): tuple(server for server, cell in zip(Server, cells, strict=True) if cell.startswith(" yes"))
        for flow, *cells in rows
    }
    assert told == {flow: servers for flow, servers in SERVED_BY.items() if flow in told}
    assert set(SERVED_BY) - set(told) == {"event without names → function"}


def page() -> str:
    return (ROOT / "docs" / "testing.md").read_text()


def test_each_flow_has_a_test() -> None:
    text = "".join(path.read_text() for path in (ROOT / "tests" / "integration" / "flows").glob("test_*.py"))
    assert sorted(re.findall(r'@serving\("(.*)"\)', text)) == sorted(SERVED_BY)


@pytest.mark.parametrize(
    ("dstport", "action", "fits"),
    [
        ("dstport", "action=REJECT", True),
        ("dstport", "action = ACCEPT", False),
        ("dstport=44*", 'action!="ACCEPT"', True),
        ("dstport!=443", "action", False),
    ],
)
def test_a_pattern_of_columns(dstport: str, action: str, *, fits: bool) -> None:
    matches = matcher(f"[{COLUMNS.format(dstport=dstport, action=action)}]")
    assert matches(LINE) is fits
    assert not matches("- - - NODATA")


@pytest.mark.parametrize("pattern", ["REJECT", "[a, ...]", "[bytes > 1]", '{ $.a = "b" }'])
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="not understood"):
        matcher(pattern)


class _Hello(QuietRequests):
    def do_GET(self) -> None:  # noqa: N802 - its name in the library
        self.say(200, "hello")


@pytest.mark.parametrize(("host", "there"), [("", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("localhost", "localhost")])
def test_the_way_to_a_server_on_loopback(monkeypatch: pytest.MonkeyPatch, host: str, there: str) -> None:
    """At another address a relay listens; a name is taken as it is."""
    if host:
        monkeypatch.setenv("TESTS_SINK_HOST", host)
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with running(QuietServer(_Hello)) as server, reachable(server.url) as url:
        assert url.startswith(f"http://{there}:")
        assert (url.rpartition(":")[2] == server.url.rpartition(":")[2]) is (there != "127.0.0.2")
        with direct.open(url, timeout=30) as answer:
            assert answer.read() == b'"hello"'
