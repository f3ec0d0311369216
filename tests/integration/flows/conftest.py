"""A cloud for each flow, and a search engine whose documents prove what was sent through it."""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.firehose.engine import Target
from tests.firehose.flows import generator
from tests.integration.cloud import SERVED_BY, Cloud, Server
from tests.integration.functions import Zips
from tests.integration.localstack.endpoint import LocalStack
from tests.integration.localstack_cloud import LocalStackCloud
from tests.integration.own_firehose import OwnFirehoseCloud
from tests.integration.own_logs import OwnLogsCloud
from tests.integration.sinks import reachable
from vpcflow.generate import Generator
from vpcflow.stack import Stack
from vpcflow.stack.streams import CREDENTIALS

_NAMES = itertools.count()
_CLOUDS = {
    Server.LOCALSTACK: LocalStackCloud,
    Server.OWN_FIREHOSE: OwnFirehoseCloud,
    Server.OWN_LOGS: OwnLogsCloud,
}


def serving(flow: str) -> pytest.MarkDecorator:
    """Let a test have the fixture `cloud` once for each that serves the flow."""
    return pytest.mark.parametrize("cloud", SERVED_BY[flow], indirect=True, ids=str)


@pytest.fixture(scope="session")
def zips(tmp_path_factory: pytest.TempPathFactory, localstack: LocalStack) -> Zips:
    return Zips(tmp_path_factory.mktemp("zips"), localstack.python)


@pytest.fixture
def cloud(request: pytest.FixtureRequest, localstack: LocalStack, zips: Zips) -> Iterator[Cloud]:
    with _CLOUDS[request.param](localstack.url, zips) as made:
        yield made


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch, localstack: LocalStack) -> None:
    """Let our programs in this process find LocalStack."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": localstack.url}.items():
        monkeypatch.setenv(name, value)


class Engine(Target):
    """A data stream in a running engine. `functions`: settings of functions that write to it."""

    functions: dict[str, str]

    def hits(self) -> list[dict[str, Any]]:
        """Return what was found, all of it; nothing while there is no such data stream yet, or its shards are not up."""
        self.request("POST", f"{self.index}/_refresh?ignore_unavailable=true")
        query = "size=10000&track_total_hits=true&ignore_unavailable=true"
        answer = self._http.request("GET", f"{self.url}/{self.index}/_search?{query}")
        if answer.status == 503:
            return []
        assert answer.status == 200, (answer.status, answer.data[:500])
        found = answer.json()["hits"]
        rows: list[dict[str, Any]] = found["hits"]
        assert found["total"]["value"] == len(rows)
        return rows

    def documents(self) -> list[dict[str, Any]]:
        return [hit["_source"] for hit in self.hits()]

    def ids(self) -> set[str]:
        """Return the `_id`s of all documents."""
        return {hit["_id"] for hit in self.hits()}

    def proves(self, made: Generator, seconds: float = 240) -> None:
        """Wait for as many documents as were planted; fail unless they are those, each once."""
        end = time.monotonic() + seconds
        while len(found := self.documents()) < made.manifest.documents:
            assert time.monotonic() < end, f"{len(found)} of {made.manifest.documents} documents"
            time.sleep(0.2)
        self.prove(made.manifest)


@pytest.fixture
def engines(stack_elasticsearch: Stack) -> Iterator[Callable[[], Engine]]:
    """Return what makes a data stream."""
    with ExitStack() as closing:

        def made() -> Engine:
            engine = Engine(stack_elasticsearch.engine_url, f"flow{next(_NAMES)}-{uuid.uuid4().hex[:8]}")
            closing.callback(engine.close)
            url = closing.enter_context(reachable(stack_elasticsearch.engine_url))
            engine.functions = {**engine.environ, "VPCFLOW_ELASTICSEARCH__HOSTS": url}
            return engine

        yield made


@pytest.fixture
def engine(engines: Callable[[], Engine]) -> Engine:
    return engines()


@pytest.fixture
def made() -> Generator:
    """Return flow logs of the last hour: CloudWatch Logs takes none that are much older."""
    return generator(round(time.time()) * 1000, events=1200, payload_events=100)
