"""What cannot be kept is said, and nothing is taken for kept."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from vpcflow.aws import client
from vpcflow.clock import FakeClock
from vpcflow.deadletters.abstract import Unreadable
from vpcflow.deadletters.documents import DocumentDeadLetters, DocumentShelves
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.file_shelves import FileShelf, FileShelves
from vpcflow.deadletters.files import FileDeadLetters
from vpcflow.deadletters.objects import ObjectDeadLetters, ObjectShelves
from vpcflow.deadletters.queue import QueueDeadLetters
from vpcflow.deadletters.queue_shelves import QueueShelves
from vpcflow.errors import DeadLetterError, SinkRefused, SinkUnavailable
from vpcflow.types import Answer, Bulk, ItemError, Origin, Outcome

LETTER = DeadLetter(
    reason="columns",
    message="",
    raw=b"line",
    source="s",
    position=0,
    first_seen_ms=0,
    origin=Origin(identity=b"k", name="s"),
)
Aws = Callable[[str], Any]


def numbered(count: int) -> list[DeadLetter]:
    return [replace(LETTER, position=number) for number in range(count)]


# files


def test_a_settling_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = FileDeadLetters(tmp_path, clock=FakeClock())
    keeper.put(*numbered(3))
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    (shelf,) = FileShelves(tmp_path).shelves()
    list(shelf.letters())

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DeadLetterError, match="No space left"):
            shelf.settle({1: ()})
    assert path.read_bytes() == before
    shelf.settle({1: ()})
    assert path.read_bytes() == b"".join(before.splitlines(keepends=True)[1:])


def test_two_replays_do_not_take_each_others_lines(tmp_path: Path) -> None:
    FileDeadLetters(tmp_path, clock=FakeClock()).put(*numbered(3))
    first, second = (next(FileShelves(tmp_path).shelves()) for _ in range(2))
    list(first.letters())
    list(second.letters())
    first.settle({1: ()})
    with pytest.raises(DeadLetterError, match="changed by somebody else"):
        second.settle({2: ()})
    assert [letter.position for _, letter in second.letters() if isinstance(letter, DeadLetter)] == [1, 2]


def test_a_cut_off_line_is_left_out_and_goes_with_the_next_settling(tmp_path: Path) -> None:
    FileDeadLetters(tmp_path, clock=FakeClock()).put(*numbered(2))
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole + LETTER.to_json()[:30])
    shelf = FileShelf(path)
    assert len(list(shelf.letters())) == 2
    shelf.settle({1: ()})
    assert path.read_bytes() == whole.splitlines(keepends=True)[1]


def test_a_damaged_line_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "1-1-0001.jsonl").write_bytes(b"nonsense\n" + LETTER.to_json())
    (shelf,) = FileShelves(tmp_path).shelves()
    bad, good = (letter for _, letter in shelf.letters())
    assert isinstance(bad, Unreadable)
    assert bad.where.endswith("0001.jsonl:1")
    assert good == LETTER
    shelf.settle({2: ()})
    assert (tmp_path / "1-1-0001.jsonl").read_bytes() == b"nonsense\n"


def test_a_writer_that_is_killed_loses_nothing_that_was_put(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from vpcflow.clock import SystemClock; from vpcflow.deadletters.files import FileDeadLetters\n"
        "from vpcflow.deadletters.entry import DeadLetter\n"
        "letters = FileDeadLetters(Path(sys.argv[1]), clock=SystemClock())\n"
        "for n in range(10**9):\n"
        "    letters.put(DeadLetter(reason='r', message='', raw=b'x', source='s', position=n, first_seen_ms=0))\n"
        "    print(n, flush=True)\n"
    )
    root = str(Path(__file__).parents[2])
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path), root], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(20)]
        writer.kill()
        said += writer.stdout.readlines()
    kept = [letter.position for shelf in FileShelves(tmp_path).shelves() for _, letter in shelf.letters()]  # type: ignore[union-attr]
    assert kept[: len(said)] == list(range(len(said)))


# S3


def test_a_bucket_that_is_not_there(aws: Aws) -> None:
    with pytest.raises(DeadLetterError, match=r"NoSuchBucket: .*deadletters\.bucket") as caught:
        ObjectDeadLetters(aws("s3"), "no-such-bucket-here", "p").put(LETTER)
    assert caught.value.exit_code == 78
    with pytest.raises(DeadLetterError, match="NoSuchBucket"):
        list(ObjectShelves(aws("s3"), "no-such-bucket-here", "p", max_bytes=9).shelves())


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vpcflow.aws._ATTEMPTS", 1)
    s3 = client("s3", region="eu-west-1", endpoint="http://127.0.0.1:1")
    with pytest.raises(DeadLetterError, match=r"s3://b/p/1970/01/01/\w+\.jsonl: .*127\.0\.0\.1:1") as caught:
        ObjectDeadLetters(s3, "b", "p").put(LETTER)
    assert caught.value.exit_code == 75
    assert "\n" not in str(caught.value)


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, aws_url: str) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    with pytest.raises(DeadLetterError, match="no AWS credentials") as caught:
        ObjectDeadLetters(client("s3", region="eu-west-1", endpoint=aws_url), "b", "p").put(LETTER)
    assert caught.value.exit_code == 77


def test_no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION", raising=False)
    with pytest.raises(DeadLetterError, match="no AWS region; set AWS_REGION") as caught:
        client("sqs")
    assert caught.value.exit_code == 78


def test_an_object_that_inflates_too_far_is_not_read(aws: Aws, bucket: str) -> None:
    ObjectDeadLetters(aws("s3"), bucket, "p").put(*numbered(20))
    (shelf,) = ObjectShelves(aws("s3"), bucket, "p", max_bytes=1000).shelves()
    with pytest.raises(DeadLetterError, match=r"limits\.max_inflated_bytes \(1000\)"):
        list(shelf.letters())


def test_the_same_letters_are_one_object(aws: Aws, bucket: str) -> None:
    keeper = ObjectDeadLetters(aws("s3"), bucket, "p")
    keeper.put(*numbered(3))
    keeper.put(*[replace(one, first_seen_ms=60_000, attempts=2) for one in numbered(3)])
    keeper.put(*numbered(2))
    found = aws("s3").list_objects_v2(Bucket=bucket)["Contents"]
    assert len(found) == 2
    assert {one["Key"][:13] for one in found} == {"p/1970/01/01/"}


# SQS


@dataclass
class Refusing:
    """The part of a queue's client that sends: some messages fail, as often as told."""

    failures: int
    sender_fault: bool = False
    asked: list[int] = field(default_factory=list)

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[dict[str, str]]) -> dict[str, Any]:  # noqa: N803
        self.asked.append(len(Entries))
        bad = Entries[-1:] if self.failures > 0 else []
        self.failures -= 1
        return {
            "Successful": [{"Id": one["Id"], "MessageId": one["MessageBody"]} for one in Entries if one not in bad],
            "Failed": [
                {"Id": one["Id"], "Code": "InternalError", "Message": "oh", "SenderFault": self.sender_fault}
                for one in bad
            ],
        }


def queue(sqs: object, max_message_bytes: int = 10_000) -> QueueDeadLetters:
    url = "http://127.0.0.1/queue"
    return QueueDeadLetters(sqs, url, max_message_bytes=max_message_bytes, large=None, clock=FakeClock())


def test_messages_that_fail_are_sent_again_and_only_those() -> None:
    sqs = Refusing(failures=2)
    assert len(queue(sqs).send(numbered(8))) == 8
    assert sqs.asked == [8, 1, 1]


def test_a_message_that_goes_on_failing_means_that_nothing_is_kept() -> None:
    sqs = Refusing(failures=99)
    with pytest.raises(DeadLetterError, match="InternalError: oh"):
        queue(sqs).put(*numbered(9))
    assert len(sqs.asked) == 4


def test_our_own_fault_is_not_repeated() -> None:
    sqs = Refusing(failures=99, sender_fault=True)
    with pytest.raises(DeadLetterError, match="did not take 1 messages"):
        queue(sqs).put(*numbered(2))
    assert sqs.asked == [2]


def test_batches_are_within_the_limit_of_sqs() -> None:
    sqs = Refusing(failures=0)
    size = len(LETTER.to_json())
    queue(sqs, max_message_bytes=3 * size).put(*numbered(9))
    assert sqs.asked == [3, 3, 3]


def test_a_large_letter_without_a_bucket_is_not_kept(aws: Aws, queue_url: str) -> None:
    keeper = QueueDeadLetters(aws("sqs"), queue_url, max_message_bytes=1024, large=None, clock=FakeClock())
    with pytest.raises(DeadLetterError, match=r"set deadletters\.bucket"):
        keeper.put(LETTER, replace(LETTER, raw=b"x" * 2000))


def test_a_queue_that_is_not_there(aws: Aws, queue_url: str) -> None:
    keeper = QueueDeadLetters(aws("sqs"), queue_url + "-not", max_message_bytes=9999, large=None, clock=FakeClock())
    with pytest.raises(DeadLetterError, match=r"deadletters\.queue_url"):
        keeper.put(LETTER)


def test_a_reference_to_somewhere_else_is_not_followed(aws: Aws, queue_url: str, bucket: str) -> None:
    aws("sqs").send_message(QueueUrl=queue_url, MessageBody='{"dead_letter_at":"s3://somebody/else"}')
    aws("sqs").send_message(QueueUrl=queue_url, MessageBody="nonsense")
    sender = QueueDeadLetters(aws("sqs"), queue_url, max_message_bytes=9999, large=None, clock=FakeClock())
    kept = QueueShelves(aws("sqs"), queue_url, bucket=bucket, s3=lambda: aws("s3"), sender=sender)
    found = [letter for shelf in kept.shelves() for _, letter in shelf.letters()]
    kept.close()
    assert len(found) == 2
    assert all(isinstance(one, Unreadable) for one in found)
    assert any("is not in deadletters.bucket" in one.message for one in found if isinstance(one, Unreadable))


def test_what_was_read_is_given_back(aws: Aws, aws_url: str, queue_url: str) -> None:
    sqs = boto3.client("sqs", region_name="eu-west-1", endpoint_url=aws_url)
    sender = QueueDeadLetters(aws("sqs"), queue_url, max_message_bytes=9999, large=None, clock=FakeClock())
    sender.put(*numbered(12))
    for _ in range(2):
        kept = QueueShelves(
            boto3.client("sqs", region_name="eu-west-1", endpoint_url=aws_url),
            queue_url, bucket="", s3=lambda: None, sender=sender,
        )  # fmt: skip
        assert sum(len(list(shelf.letters())) for shelf in kept.shelves()) == 12
        kept.close()
    sqs.close()


# an index


@dataclass
class Reply:
    status: int
    body: object = None


@dataclass
class Engine:
    """An engine that answers as told."""

    outcomes: list[Answer | Exception]
    where: str = "there"
    status: int = 200
    found: dict[str, Any] = field(default_factory=dict)
    writes: int = 0

    def request(self, method: str, path: str, body: object = None) -> Reply:
        return Reply(self.status)

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        return self.found

    def write(self, bulk: Bulk) -> Answer:
        self.writes += 1
        answer = self.outcomes.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


def patiently(attempt: Callable[[], None]) -> None:
    for _ in range(3):
        try:
            return attempt()
        except SinkUnavailable as error:
            last = error
    raise last


GOOD = Answer(outcomes=[Outcome.CREATED, Outcome.DUPLICATE])
BUSY = Answer(outcomes=[Outcome.CREATED, Outcome.RETRYABLE], errors={1: ItemError(status=429, type="busy", reason="r")})
BAD = Answer(outcomes=[Outcome.CREATED, Outcome.REJECTED], errors={1: ItemError(status=400, type="odd", reason="why")})
DIVERTED = Answer(outcomes=[Outcome.CREATED, Outcome.DIVERTED])


def test_an_index_is_asked_again_until_all_is_there() -> None:
    engine = Engine([SinkUnavailable("away"), BUSY, GOOD])
    DocumentDeadLetters(engine, "letters", patiently=patiently).put(*numbered(2))
    assert engine.writes == 3


@pytest.mark.parametrize(
    ("outcomes", "words"),
    [
        ([BAD], "letters does not take 1 of them: odd: why"),
        ([DIVERTED], "diverted"),
        ([SinkRefused("no such credentials")], "no such credentials"),
        ([SinkUnavailable("away")] * 3, "away"),
        ([BUSY] * 3, "1 dead letters wait: busy: r"),
    ],
)
def test_an_index_that_does_not_take_them(outcomes: list[Answer | Exception], words: str) -> None:
    with pytest.raises(DeadLetterError, match=words):
        DocumentDeadLetters(Engine(outcomes), "letters", patiently=patiently).put(*numbered(2))


@pytest.mark.parametrize("answer", [{"timed_out": True}, {"_shards": {"failed": 1}}])
def test_half_an_index_is_not_taken_for_all_of_it(answer: dict[str, Any]) -> None:
    with pytest.raises(DeadLetterError, match="not all of letters can be read"):
        list(DocumentShelves(Engine([], found=answer), "letters").shelves())


def test_a_document_that_cannot_be_deleted() -> None:
    hits = {"hits": {"hits": [{"_id": "1", "_source": {"letter": LETTER.to_json().decode()}, "sort": [0]}]}}
    shelf = next(DocumentShelves(Engine([], found=hits, status=403), "letters").shelves())
    assert list(shelf.letters()) == [(0, LETTER)]
    with pytest.raises(DeadLetterError, match=r"cannot be deleted \(403\)"):
        shelf.settle({0: ()})
