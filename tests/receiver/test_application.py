"""The door itself, without a server: faults of ours, and keys that are read again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.receiver.firehose import KEY, Answer, Sent, violations
from vpcflow.clock import FakeClock, SystemClock
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally
from vpcflow.receiver.application import Application
from vpcflow.receiver.desk import Desk
from vpcflow.receiver.health import Health
from vpcflow.receiver.keys import AccessKeys
from vpcflow.receiver.protocol import Refusal, read_body
from vpcflow.settings.model import Receiver
from vpcflow.settings.secrets import Place, Secret


class Broken:
    """An intake with a fault."""

    def settle(self, *_: object) -> int:
        raise RuntimeError("a secret of the house")


def asked(application: Application, sent: Sent) -> Answer:
    headers = [(name.encode(), value.encode()) for name, value in sent.headers.items()]
    said: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": sent.body}

    async def send(message: Any) -> None:  # noqa: ANN401 - as ASGI has it
        said.append(message)

    scope = {"type": "http", "path": "/", "method": "POST", "headers": headers}
    asyncio.run(application(scope, receive, send))
    start, body = said
    return Answer(start["status"], [(name.decode(), value.decode()) for name, value in start["headers"]], body["body"])


def test_a_fault_of_ours_is_500_that_firehose_can_read(caplog: pytest.LogCaptureFixture) -> None:
    clock, tally = SystemClock(), Tally()
    desk = Desk(AccessKeys([Secret(KEY)], clock), clock, tally)
    broken: Any = Broken()
    application = Application(Receiver(), desk, broken, Health(tally), clock, tally)
    sent = Sent([b"x"])
    answer = asked(application, sent)
    assert violations(answer, sent.request_id) == []
    assert (answer.status, json.loads(answer.body)["errorMessage"].startswith("a fault")) == (500, True)
    assert "secret" not in answer.message
    assert tally.snapshot().value(catalog.FIREHOSE_REQUESTS, result="failed") == 1
    assert tally.snapshot().value(catalog.FIREHOSE_IN_PROGRESS) == 0
    assert "a secret of the house" in caplog.text  # the log is where it belongs


def test_keys_are_read_again_once_in_ten_seconds() -> None:
    clock, kept, read = FakeClock(), ["old"], []

    def place() -> str:
        read.append(kept[0])
        return kept[0]

    keys = AccessKeys([Secret.kept(Place(place, clock=clock)), Secret("")], clock)
    kept[0] = "new"
    assert (keys.accept("new"), keys.refresh(), keys.accept("new"), keys.accept("old")) == (False, True, True, False)
    assert [keys.refresh() for _ in range(5)] == [False] * 5
    assert read == ["old", "new"]
    clock.advance(10)
    kept[0] = "newer"
    assert keys.refresh()
    with pytest.raises(ValueError, match="no access key"):
        AccessKeys([Secret("")], clock)


def test_413_cannot_be_said() -> None:
    with pytest.raises(ValueError):
        Refusal(413, "too_large", "never")


def test_a_name_that_is_written_otherwise_does_not_evade_the_bound() -> None:
    records = b",".join([b'{"d\\u0061ta":""}'] * 3)
    body = b'{"requestId":"r","timestamp":1,"records":[' + records + b"]}"
    assert len(read_body(body, "r", max_records=3).records) == 3
    with pytest.raises(Refusal, match="max_records") as refused:
        read_body(body, "r", max_records=2)
    assert (refused.value.status, refused.value.result) == (503, "too_large")
