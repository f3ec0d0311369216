"""The work on a queue: an emulated SQS and S3, real codec and pipeline, and an engine in memory that does as it is told."""

from __future__ import annotations

import gzip
import json
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from tests.forwarding.scene import KEY, Fan, lines
from vpcflow.clock import FakeClock, SystemClock
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import EX_CONFIG, EX_TEMPFAIL, SinkRefused, SinkUnavailable, VpcFlowError
from vpcflow.forwarding.handover import queue_url, sender
from vpcflow.forwarding.messages import Messages
from vpcflow.forwarding.queue import Keeper, Message, Queue
from vpcflow.forwarding.reading import Reader
from vpcflow.forwarding.work import Deadline
from vpcflow.forwarding.worker import Halt, Totals, Worker, backoff_seconds
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Tally as Counted
from vpcflow.settings.model import Limits, Objects
from vpcflow.sink.memory import MemorySink
from vpcflow.types import Answer, Bulk

REGION = "eu-central-1"


class Engine(MemorySink):
    """Runs something before a body is written."""

    def __init__(self, before: Callable[[int], None] = lambda _bodies: None) -> None:
        super().__init__()
        self.before = before
        self.asked = 0

    def write(self, bulk: Bulk) -> Answer:
        self.asked += 1
        self.before(self.asked)
        return super().write(bulk)


@dataclass
class Scene:
    url: str
    sqs: Any
    s3: Any
    queue: Queue
    letters: MemoryDeadLetters = field(default_factory=MemoryDeadLetters)
    tally: Counted = field(default_factory=Counted)
    engine: Engine = field(default_factory=Engine)
    halt: Halt = field(default_factory=lambda: Halt(SystemClock(), 20.0))
    routes: Callable[..., object] = lambda *_arns: "default"

    def put(self, key: str, count: int, first: int = 0) -> None:
        self.s3.put_object(Bucket="flows", Key=key, Body=gzip.compress("\n".join(lines(count)[first:]).encode()))

    def notify(self, *keys: str, wrap: Callable[[str], str] = lambda body: body) -> None:
        records = [
            {
                "eventName": "ObjectCreated:Put",
                "awsRegion": REGION,
                "s3": {"bucket": {"name": "flows"}, "object": {"key": key.replace(" ", "+")}},
            }
            for key in keys
        ]
        self.send(wrap(json.dumps({"Records": records})))

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue.url, MessageBody=body)

    def worker(self, expected: int, *, messages: int = 10) -> Worker:
        """A worker that stops once so many messages were taken."""
        client = self.s3

        def make(deadline: Deadline) -> Messages:
            fan = Fan(self.engine, self.letters, should_stop=deadline.is_over)
            reader = Reader(lambda _region: client, Objects(block_bytes=65_536), Limits(), SystemClock())
            return Messages(
                route=self.routes,
                open_fan=lambda _branches: fan,
                reads=lambda _branches: reader,
                send=sender(self.sqs, self.queue.url),
                deadline=deadline,
                clock=SystemClock(),
                max_continuations=100,
            )

        def progress(totals: Totals) -> None:
            if totals.messages >= expected:
                self.halt.ask()

        return Worker(
            self.queue,
            make=make,
            halt=self.halt,
            clock=SystemClock(),
            messages=messages,
            on_progress=progress,
            meters=self.tally,
        )

    def in_queue(self) -> tuple[int, int]:
        """Messages that can be seen, and that are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])


@pytest.fixture
def scene(aws_url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Scene:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    urllib.request.urlopen(urllib.request.Request(f"{aws_url}/moto-api/reset", method="POST")).close()
    sqs = boto3.client("sqs", region_name=REGION, endpoint_url=aws_url)
    s3 = boto3.client("s3", region_name=REGION, endpoint_url=aws_url)
    s3.create_bucket(Bucket="flows", CreateBucketConfiguration={"LocationConstraint": REGION})
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:70]
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return Scene(aws_url, sqs, s3, Queue(sqs, url, SystemClock(), visibility_seconds=60))


@pytest.fixture
def hidden_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that failed is not seen again while a test looks, however long that takes."""
    monkeypatch.setattr("vpcflow.forwarding.worker._FIRST_BACKOFF_SECONDS", 600)


def test_48_mixed_objects_and_messages_in_one_queue(scene: Scene) -> None:
    scene.put(KEY, 30)
    scene.put("AWSLogs/1/vpcflowlogs/a b.log.gz", 40)
    scene.put("AWSLogs/1/CloudTrail/c.json.gz", 5)
    scene.notify(KEY)
    sns = {"Type": "Notification", "TopicArn": "arn:aws:sns:eu-central-1:1:t"}
    scene.notify("AWSLogs/1/vpcflowlogs/a b.log.gz", wrap=lambda body: json.dumps({**sns, "Message": body}))
    scene.notify("AWSLogs/1/CloudTrail/c.json.gz")
    scene.notify(KEY, "AWSLogs/1/vpcflowlogs/gone.log.gz")
    scene.send(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "flows"}))
    totals = scene.worker(5).run()
    assert scene.in_queue() == (0, 0)
    assert (totals.messages, totals.settled, totals.failed) == (5, 5, 0)
    assert (totals.objects, totals.skipped, totals.gone) == (3, 1, 1)
    counted = scene.tally.snapshot()
    assert [counted.value(catalog.ITEMS, result=one) for one in ("settled", "failed")] == [5, None]
    assert [counted.value(catalog.OBJECTS, result=one) for one in ("settled", "skipped", "gone")] == [3, 1, 1]
    assert len(scene.engine.documents) == 70
    assert [one.reason for _, one in scene.letters.letters()] == ["object"]


@pytest.mark.usefixtures("hidden_for_long")
def test_a_poison_message_costs_itself_alone_and_comes_back_later(scene: Scene) -> None:
    scene.put(KEY, 30)
    scene.send("no notification")
    scene.notify(KEY)
    totals = scene.worker(2).run()
    assert (totals.settled, totals.failed) == (1, 1)
    assert scene.in_queue() == (0, 1)  # hidden: no hot loop
    assert len(scene.engine.documents) == 30


@pytest.mark.usefixtures("hidden_for_long")
def test_28_a_source_without_an_input_is_retained(scene: Scene) -> None:
    def refused(*arns: str) -> object:
        raise VpcFlowError(f"{arns[-1]}: no input matches", exit_code=EX_CONFIG)

    scene.routes = refused
    scene.notify(KEY)
    totals = scene.worker(1).run()
    assert (totals.settled, totals.failed, scene.in_queue()) == (0, 1, (0, 1))


def test_8_a_stop_in_the_middle_hands_over_and_the_next_one_finishes(scene: Scene) -> None:
    scene.put(KEY, 6000)
    scene.notify(KEY)
    scene.engine.before = lambda asked: scene.halt.ask() if asked == 20 else None
    first = scene.worker(1).run()
    assert (first.settled, first.handed_over, first.failed) == (1, 1, 0)
    assert scene.in_queue() == (1, 0)  # the rest, seen at once
    some = len(scene.engine.documents)
    assert 0 < some < 6000
    scene.halt, scene.engine.before = Halt(SystemClock(), 20.0), lambda _asked: None
    second = scene.worker(1).run()
    assert (second.settled, second.handed_over, scene.in_queue()) == (1, 0, (0, 0))
    assert len(scene.engine.documents) == 6000
    assert first.lines + second.lines == 6001  # no line was sent twice


def test_a_stop_gives_back_what_was_not_begun(scene: Scene) -> None:
    scene.put(KEY, 10)
    scene.put("AWSLogs/1/vpcflowlogs/b.log.gz", 10)
    scene.notify(KEY)
    scene.notify("AWSLogs/1/vpcflowlogs/b.log.gz")

    def routed(*_arns: str) -> object:
        scene.halt.ask()
        return "default"

    scene.routes = routed
    totals = scene.worker(2).run()
    assert (totals.messages, totals.settled) == (1, 0)
    assert scene.in_queue() == (2, 0)


@pytest.mark.usefixtures("hidden_for_long")
def test_what_the_engine_refuses_goes_back_and_ends_the_program(scene: Scene) -> None:
    def refuse(_asked: int) -> None:
        raise SinkRefused("no such data stream", exit_code=EX_CONFIG)

    scene.put(KEY, 30)
    scene.notify(KEY)
    scene.engine.before = refuse
    with pytest.raises(SinkRefused, match="no such data stream"):
        scene.worker(1).run()
    assert scene.in_queue() == (0, 1)


def test_an_engine_that_is_away_is_waited_for(scene: Scene) -> None:
    def away(asked: int) -> None:
        if asked < 4:
            raise SinkUnavailable("away")

    scene.put(KEY, 30)
    scene.notify(KEY)
    scene.engine.before = away
    totals = scene.worker(1).run()
    assert (totals.settled, totals.failed, len(scene.engine.documents)) == (1, 0, 30)


def test_two_workers_share_a_queue(scene: Scene) -> None:
    for number in range(6):
        scene.put(f"AWSLogs/1/vpcflowlogs/{number}.log.gz", 20)
        scene.notify(f"AWSLogs/1/vpcflowlogs/{number}.log.gz")
    one = scene.worker(2, messages=2)
    one.run()
    scene.halt = Halt(SystemClock(), 20.0)
    two = scene.worker(4)
    two.run()
    assert one.totals.settled + two.totals.settled == 6
    assert (len(scene.engine.documents), scene.in_queue()) == (120, (0, 0))


def test_a_queue_that_is_not_there_is_told_in_one_line(scene: Scene) -> None:
    scene.sqs.delete_queue(QueueUrl=scene.queue.url)
    with pytest.raises(VpcFlowError, match=r"correct forwarder\.queue_url") as caught:
        scene.worker(1).run()
    assert caught.value.exit_code == EX_CONFIG
    assert "\n" not in str(caught.value)


def test_the_url_of_a_queue_is_made_of_its_arn(scene: Scene) -> None:
    assert queue_url(scene.sqs, scene.queue.arn()) == scene.queue.url
    china = boto3.client("sqs", region_name="cn-north-1")
    url = queue_url(china, "arn:aws-cn:sqs:cn-north-1:123456789012:flows")
    assert url == "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/flows"


def test_failures_come_back_later_each_time() -> None:
    assert [backoff_seconds(count) for count in (1, 2, 3, 7, 8, 1000)] == [10, 20, 40, 640, 900, 900]


@dataclass
class Hides:
    """A queue that notes who is hidden for how long."""

    clock: FakeClock
    error: VpcFlowError | None = None
    visibility_seconds: int = 300
    asked: list[int] = field(default_factory=list)

    def hide(self, message: Message, seconds: int) -> None:
        self.asked.append(seconds)
        if self.error:
            raise self.error
        message.hidden_until = self.clock.monotonic() + seconds


def kept(queue: Hides) -> tuple[Keeper, Message]:
    keeper = Keeper(queue, queue.clock)  # type: ignore[arg-type]
    message = Message(id="m", receipt="r", body="", receives=1, received_at=0.0, hidden_until=300.0)
    keeper.add([message])
    return keeper, message


def after(keeper: Keeper, clock: FakeClock, seconds: int, step: int = 1) -> None:
    for _ in range(0, seconds, step):
        clock.advance(step)
        keeper.renew_due()


def test_a_message_stays_hidden_while_it_is_worked_on() -> None:
    queue = Hides(FakeClock())
    keeper, message = kept(queue)
    after(keeper, queue.clock, 99)
    assert queue.asked == []
    after(keeper, queue.clock, 901)
    assert queue.asked == [300] * 10
    assert not message.lost
    keeper.release(message)
    after(keeper, queue.clock, 1000)
    assert len(queue.asked) == 10


def test_a_renewal_that_fails_is_tried_again_and_then_the_message_is_let_go() -> None:
    queue = Hides(FakeClock(), VpcFlowError("SQS is away", exit_code=EX_TEMPFAIL))
    keeper, message = kept(queue)
    after(keeper, queue.clock, 269)
    assert not message.lost
    queue.error = None
    after(keeper, queue.clock, 1)
    assert message.hidden_until == queue.clock.monotonic() + 300
    queue.error = VpcFlowError("SQS is away", exit_code=EX_TEMPFAIL)
    after(keeper, queue.clock, 271)
    assert message.lost  # in time: before somebody else may have it
    assert message.hidden_until > queue.clock.monotonic()


def test_a_renewal_that_is_refused_lets_the_message_go_at_once() -> None:
    queue = Hides(FakeClock(), VpcFlowError("AccessDenied", exit_code=EX_CONFIG))
    keeper, message = kept(queue)
    after(keeper, queue.clock, 101)
    assert message.lost
    assert len(queue.asked) == 1


def test_twelve_hours_are_the_most_that_sqs_hides() -> None:
    queue = Hides(FakeClock())
    keeper, message = kept(queue)
    after(keeper, queue.clock, 12 * 3600 - 60, step=10)
    assert not message.lost
    after(keeper, queue.clock, 40, step=10)
    assert message.lost  # in time, again
    assert message.hidden_until <= 12 * 3600
    assert len(queue.asked) < 12 * 36  # no hot loop at the end


def test_what_is_let_go_is_neither_deleted_nor_handed_over(scene: Scene) -> None:
    scene.put(KEY, 30)
    scene.notify(KEY)
    receive, ours = scene.queue.receive, []

    def received(count: int, wait: int) -> list[Message]:
        found = receive(count, wait)
        ours.extend(found)
        return found

    def lose(_asked: int) -> None:
        for one in ours:
            one.lost = True

    scene.queue.receive = received  # type: ignore[method-assign]
    scene.engine.before = lose
    totals = scene.worker(1).run()
    assert (totals.settled, totals.failed, totals.handed_over) == (0, 0, 0)
    assert (len(scene.engine.documents), scene.in_queue()) == (30, (0, 1))


FIFO = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}


@pytest.fixture
def fifo(scene: Scene, request: pytest.FixtureRequest) -> Scene:
    url = scene.sqs.create_queue(QueueName="flows.fifo", Attributes=FIFO)["QueueUrl"]
    scene.queue = Queue(scene.sqs, url, SystemClock(), visibility_seconds=60)
    return scene


def in_order(fifo: Scene, *bodies: tuple[str, str]) -> tuple[list[str], list[tuple[str, int]]]:
    """Put messages (group, key of an object or a whole body); note what is deleted, and what is hidden for how long."""
    for number, (group, body) in enumerate(bodies):
        text = body
        if body.startswith("AWSLogs/"):
            fifo.put(body, 20)
            s3 = {"bucket": {"name": "flows"}, "object": {"key": body}}
            text = json.dumps({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]})
        fifo.sqs.send_message(
            QueueUrl=fifo.queue.url, MessageBody=text, MessageGroupId=group, MessageDeduplicationId=str(number)
        )
    deleted: list[str] = []
    hidden: list[tuple[str, int]] = []
    delete, hide = fifo.queue.delete, fifo.queue.hide

    def deletes(message: Message) -> None:
        delete(message)
        deleted.append(named(message))

    def hides(message: Message, seconds: int) -> None:
        hide(message, seconds)
        hidden.append((named(message), seconds))

    def named(message: Message) -> str:
        return message.body[-40:].partition("vpcflowlogs/")[2].partition(".log")[0] or message.body

    fifo.queue.delete, fifo.queue.hide = deletes, hides  # type: ignore[method-assign]
    return deleted, hidden


def flow_log(name: str) -> str:
    return f"AWSLogs/1/vpcflowlogs/{name}.log.gz"


def test_a_group_of_a_fifo_queue_waits_behind_a_message_that_failed(fifo: Scene) -> None:
    given = [
        ("a", flow_log("a1")),
        ("a", "poison"),
        ("b", flow_log("b1")),
        ("a", flow_log("a2")),
        ("b", flow_log("b2")),
    ]
    deleted, hidden = in_order(fifo, *given)
    totals = fifo.worker(4).run()
    assert deleted == ["a1", "b1", "b2"]
    assert hidden == [("poison", 10), ("a2", 0)]  # untouched: not even read
    assert (totals.settled, totals.failed, totals.objects) == (3, 1, 3)
    assert fifo.tally.snapshot().value(catalog.ITEMS, result="failed") == 1
    assert len(fifo.engine.documents) == 60


def test_a_group_waits_behind_a_message_that_could_not_be_deleted(fifo: Scene) -> None:
    deleted, hidden = in_order(fifo, ("a", flow_log("a1")), ("a", flow_log("a2")))
    deletes, tries = fifo.queue.delete, []

    def refused_once(message: Message) -> None:
        tries.append(message)
        if len(tries) == 1:
            raise VpcFlowError("SQS is away", exit_code=EX_TEMPFAIL)
        deletes(message)

    fifo.queue.delete = refused_once  # type: ignore[method-assign]
    fifo.worker(1).run()
    assert (deleted, hidden) == ([], [("a2", 0)])


def test_what_ends_the_program_gives_the_rest_of_a_fifo_queue_back(fifo: Scene) -> None:
    def refuse(_asked: int) -> None:
        raise SinkRefused("no such data stream", exit_code=EX_CONFIG)

    deleted, hidden = in_order(fifo, ("a", flow_log("a1")), ("b", flow_log("b1")), ("a", flow_log("a2")))
    fifo.engine.before = refuse
    with pytest.raises(SinkRefused, match="no such data stream"):
        fifo.worker(3).run()
    assert (deleted, hidden) == ([], [("a1", 10), ("b1", 0), ("a2", 0)])


def test_a_stop_leaves_the_order_of_a_fifo_queue(fifo: Scene) -> None:
    deleted, hidden = in_order(fifo, *(("a", flow_log(f"a{number}")) for number in range(3)))
    fifo.engine.before = lambda _asked: fifo.halt.ask()
    fifo.worker(9).run()
    assert deleted == ["a0"]
    assert hidden == [("a1", 0), ("a2", 0)]
