"""An engine that is slow, away, full or strange; dead letters that cannot be kept; an end in the middle of it all."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import signal
import threading
from collections.abc import Iterator

import pytest

from tests.receiver.conftest import Receiver, Serve, Target, until
from tests.receiver.firehose import Answer, Sent, lines, post
from vpcflow.faults import FaultProxy, parse_script

pytestmark = pytest.mark.stack

BAD = b"no flow log\n"


@contextlib.contextmanager
def faulty(target: Target, script: str) -> Iterator[FaultProxy]:
    with FaultProxy(target.url, parse_script(script)) as proxy:
        yield proxy


def rule(action: str, **keys: object) -> str:
    return "\n".join(["[[rule]]", f'action = "{action}"', *[f"{name} = {value!r}" for name, value in keys.items()], ""])


def fired(proxy: FaultProxy) -> int:
    return len(proxy.journal.lines())


class Later:
    """A request that is sent by a thread."""

    def __init__(self, receiver: Receiver, sent: Sent) -> None:
        self._answers: list[Answer] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(post(receiver.port, sent)))
        self._thread.start()

    def answer(self) -> Answer:
        self._thread.join(60)
        (answer,) = self._answers
        return answer


PASSING = {
    "429": rule("status", path="/_bulk", code=429, last=2),
    "503": rule("status", path="/_bulk", code=503, last=2),
    "reset before": rule("reset_before", path="/_bulk", last=2),
    "reset after": rule("reset_after", path="/_bulk", last=2),
    "truncated": rule("truncate", path="/_bulk", last=1),
    "garbage": rule("garbage", path="/_bulk", last=1),
}


@pytest.mark.parametrize("script", PASSING.values(), ids=PASSING)
def test_what_passes_within_the_time_is_not_noticed(serve: Serve, target: Target, script: str) -> None:
    with faulty(target, script) as proxy:
        receiver = serve(proxy.url, target.name)
        assert post(receiver.port, Sent([lines(0, 5)])).status == 200
        assert fired(proxy) >= 1
    assert target.count() == 5


def test_a_stalled_engine_is_503_in_time_and_the_retry_settles(serve: Serve, target: Target) -> None:
    with faulty(target, rule("delay", path="/_bulk", seconds=25, nth=2)) as proxy:
        receiver = serve(proxy.url, target.name, receiver={"request_seconds": 10, "max_concurrent": 1})
        assert post(receiver.port, Sent([lines(5, 1)])).status == 200
        sent = Sent([lines(0, 5)])
        answer = post(receiver.port, sent)
        assert (answer.status, fired(proxy)) == (503, 1)
        assert receiver.requests("late") == 1
        # The engine still has it: its place is taken until that has really ended.
        busy = post(receiver.port, Sent([lines(6, 1)]))
        assert (busy.status, "receiver.max_concurrent" in busy.message) == (503, True)
        until(lambda: receiver.metric("firehose_requests_in_progress") == 0, "its place is free")
        assert post(receiver.port, sent).status == 200
        assert receiver.get("/readyz")[0] == 200
    assert target.count() == 6
    assert receiver.metric('documents_total{outcome="duplicate"}') == 5


@pytest.mark.parametrize("code", [429, 503])
def test_an_engine_that_never_has_room_is_503(serve: Serve, one_target: Target, code: int) -> None:
    with faulty(one_target, rule("status", path="/_bulk", code=code)) as proxy:
        receiver = serve(proxy.url, one_target.name, receiver={"request_seconds": 1.5})
        until(
            lambda: post(receiver.port, Sent([lines(0, 5)])).status == 503 and fired(proxy) >= 2,
            "it is 503 also where there was time for another try",
        )
        until(lambda: receiver.metric("firehose_requests_in_progress") == 0, "it has given up")
    assert one_target.count() == 0


def test_an_engine_that_refuses_is_an_alarm_and_not_a_success(serve: Serve, one_target: Target) -> None:
    body = '{"error":{"type":"security_exception","reason":"unauthorized for user x"},"status":403}'
    with faulty(one_target, rule("status", path="/_bulk", code=403, body=body, last=1)) as proxy:
        receiver = serve(proxy.url, one_target.name)
        until(lambda: receiver.get("/readyz")[0] == 200, "ready")
        sent = Sent([lines(0, 5)])
        answer = post(receiver.port, sent)
        assert (answer.status, "security_exception" in answer.message) == (503, True)
        (line,) = receiver.said("request not settled")
        assert (line["level"], line["result"]) == ("error", "refused")
        assert receiver.said("not ready")
        assert post(receiver.port, sent).status == 200  # somebody gave the privilege
        assert receiver.get("/readyz")[0] == 200


def test_an_engine_that_comes_late_makes_it_ready(serve: Serve, one_target: Target) -> None:
    with faulty(one_target, rule("status", path="^/", code=503, last=5)) as proxy:
        receiver = serve(proxy.url, one_target.name)
        until(lambda: receiver.get("/readyz")[0] == 200, "ready without a request")
        assert receiver.metric("ready") == 1
        assert fired(proxy) == 5
        assert post(receiver.port, Sent([lines(0, 1)])).status == 200


def test_dead_letters_that_cannot_be_kept(serve: Serve, one_target: Target) -> None:
    receiver = serve(one_target.url, one_target.name)
    shutil.rmtree(receiver.letters)
    receiver.letters.write_text("in the way")
    sent = Sent([lines(0, 2) + BAD])
    answer = post(receiver.port, sent)
    assert (answer.status, answer.message.startswith("dead letters")) == (503, True)
    assert receiver.requests("dead_letters") == 1
    receiver.letters.unlink()
    receiver.letters.mkdir()
    assert post(receiver.port, sent).status == 200
    assert len(receiver.dead_letters()) == 1
    assert one_target.count() == 2


def test_a_storm_of_one_sender_stops_nobody_else(serve: Serve, one_target: Target) -> None:
    receiver = serve(one_target.url, one_target.name, limits={"storm_window": 50})
    statuses = [post(receiver.port, Sent([BAD * 10])).status for _ in range(8)]
    assert statuses == [200] * 4 + [503] * 4
    assert len(receiver.dead_letters()) == 40
    other = {"X-Amz-Firehose-Source-Arn": "arn:aws:firehose:eu-central-1:123456789012:deliverystream/others"}
    assert post(receiver.port, Sent([lines(0, 5) + BAD]), headers=other).status == 200
    # Good lines of the same sender end it.
    assert post(receiver.port, Sent([lines(5, 100)])).status == 200
    assert post(receiver.port, Sent([lines(105, 5) + BAD])).status == 200
    assert receiver.process.poll() is None


def test_sigterm_lets_a_request_finish(serve: Serve, target: Target) -> None:
    with faulty(target, rule("delay", path="/_bulk", seconds=10, last=1)) as proxy:
        receiver = serve(proxy.url, target.name, receiver={"grace_seconds": 60})
        idle = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=60)
        idle.request("GET", "/healthz")
        assert idle.getresponse().read()
        under_way = Later(receiver, Sent([lines(0, 5)]))
        until(lambda: fired(proxy), "the engine has it")
        receiver.process.send_signal(signal.SIGTERM)
        until(lambda: receiver.said("receiver stops"), "it stops")
        until(lambda: refuses(receiver.port), "nobody new comes in")
        assert receiver.get("/readyz")[0] == 503
        assert under_way.answer().status == 200
        assert receiver.stop() == 0
        idle.close()
    assert target.count() == 5


def test_sigterm_with_an_engine_that_hangs(serve: Serve, one_target: Target) -> None:
    with faulty(one_target, rule("delay", path="/_bulk", seconds=20, last=1)) as proxy:
        receiver = serve(proxy.url, one_target.name, receiver={"grace_seconds": 1})
        sent = Sent([lines(0, 5)])
        under_way = Later(receiver, sent)
        until(lambda: fired(proxy), "the engine has it")
        receiver.process.send_signal(signal.SIGTERM)
        answer = under_way.answer()
        assert (answer.status, answer.message) == (503, "this receiver stops; send it again")
        assert receiver.stop() == 0
        after = serve(one_target.url, one_target.name)
        assert post(after.port, sent).status == 200
    assert one_target.count() == 5


def refuses(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.connect()
    except ConnectionRefusedError:
        return True
    finally:
        connection.close()
    return False


def test_no_more_requests_at_once_than_there_are_places(serve: Serve, one_target: Target) -> None:
    with faulty(one_target, rule("delay", path="/_bulk", seconds=10, last=2)) as proxy:
        receiver = serve(proxy.url, one_target.name, receiver={"max_concurrent": 2})
        until(lambda: receiver.get("/readyz")[0] == 200, "ready")
        two = [Later(receiver, Sent([lines(number, 1)])) for number in range(2)]
        until(lambda: receiver.metric("firehose_requests_in_progress") == 2, "both are under way")
        sent_away = post(receiver.port, Sent([lines(2, 1)]))
        assert (sent_away.status, receiver.requests("busy")) == (503, 1)
        assert [one.answer().status for one in two] == [200, 200]
        assert post(receiver.port, Sent([lines(2, 1)])).status == 200
    assert one_target.count() == 3
