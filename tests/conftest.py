"""Servers that tests share, started once per session at most.

A test that asks for a server which cannot be had is skipped, with the reason in the summary; where VPCFLOW_TEST_REQUIRE
(a comma list) names `stack`, it fails.
"""

from __future__ import annotations

import logging
import signal
from collections import Counter
from collections.abc import Iterator

import hypothesis
import pytest

from tests.required import skip_or_fail
from tests.suite_times import SuiteTimes
from vpcflow.stack import Engine, Stack, StackError


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("fault matrix")
    group.addoption("--fault-ledger", metavar="FILE", default="", help="write the rows of the fault matrix there")
    group.addoption("--fault-seed", metavar="N", type=int, default=1, help="seed of its input and its faults")


def pytest_configure(config: pytest.Config) -> None:
    # How long an example takes says how busy the machine is.
    hypothesis.settings.register_profile("untimed", deadline=None)
    hypothesis.settings.load_profile("untimed")
    if hasattr(config, "workerinput"):
        # A worker of pytest-xdist ignores Ctrl-C, and so would each program that a test starts and interrupts.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    else:
        config.pluginmanager.register(SuiteTimes())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of three engines the fast tests start one, Elasticsearch 9: what asks for a real OpenSearch is slow.

    Files with servers come first, those of few and so long tests before all: nobody is left alone with them at the end.
    """
    for item in items:
        if item.get_closest_marker("stack") and ("stack_opensearch" in item.fixturenames or "opensearch" in item.name):
            item.add_marker(pytest.mark.slow)
    sizes = Counter(item.path for item in items)
    served = {item.path for item in items if item.get_closest_marker("stack") or item.get_closest_marker("localstack")}

    def place(item: pytest.Item) -> tuple[bool, int]:
        size = sizes[item.path]
        return item.path not in served, size if item.path in served else -size

    items.sort(key=place)


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """Leave logs as they were: a program that runs in the process of the tests sets them up for all of it."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def _running(engine: Engine | None, *, kinesis: bool) -> Iterator[Stack]:
    stack = Stack(engine, kinesis=kinesis)
    try:
        stack.start()
    except StackError as error:
        reason = f"embedded stack ({engine or 'kinesis'}) is not to be had: {error}"
        skip_or_fail("stack", reason)
    try:
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def stack_elasticsearch() -> Iterator[Stack]:
    """Elasticsearch 9, shared: use names of your own."""
    yield from _running("elasticsearch", kinesis=False)


@pytest.fixture(scope="session")
def stack_elasticsearch8() -> Iterator[Stack]:
    """Elasticsearch 8, shared."""
    yield from _running("elasticsearch8", kinesis=False)


@pytest.fixture(scope="session")
def stack_opensearch() -> Iterator[Stack]:
    """OpenSearch 3, shared."""
    yield from _running("opensearch", kinesis=False)


@pytest.fixture(scope="session")
def stack_kinesis() -> Iterator[Stack]:
    """Kinesis and a place for lease tables, shared."""
    yield from _running(None, kinesis=True)


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    """S3, SQS, EC2 and what else is emulated of AWS, shared: use names of your own."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
