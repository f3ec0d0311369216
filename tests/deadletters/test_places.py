"""Settings → keepers and readers: where things go, and what is refused before anything is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vpcflow import wiring, wiring_deadletters
from vpcflow.clock import FakeClock
from vpcflow.errors import ConfigError, DeadLetterError, VpcFlowError
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings

QUEUE = "https://sqs.eu-west-1.amazonaws.com/123456789012/letters"


def settings_of(**values: str) -> Settings:
    return load(None, {f"VPCFLOW_DEADLETTERS__{name}": value for name, value in values.items()}).settings


def probe(settings: Settings, **environ: str) -> str:
    return wiring_deadletters.probe(settings, environ, connect=wiring.sink)


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("s3://b/p/q", {"kind": "s3", "bucket": "b", "prefix": "p/q"}),
        ("s3://b", {"kind": "s3", "bucket": "b", "prefix": ""}),
        (QUEUE, {"kind": "sqs", "queue_url": QUEUE}),
        ("index:letters", {"kind": "index", "index": "letters"}),
        ("some/folder", {"kind": "file", "path": "some/folder"}),
    ],
)
def test_places(place: str, values: dict[str, str]) -> None:
    found = wiring_deadletters.at_place(Settings(), place).deadletters
    assert {name: getattr(found, name) for name in values} == values


def test_a_bucket_without_name() -> None:
    with pytest.raises(VpcFlowError, match="no bucket") as caught:
        wiring_deadletters.at_place(Settings(), "s3://")
    assert caught.value.exit_code == 64


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"PATH": ""}, r"deadletters\.path: empty"),
        ({"KIND": "s3"}, r"deadletters\.bucket: empty; .*kind = \"s3\""),
        ({"KIND": "sqs"}, r"deadletters\.queue_url: empty"),
        ({"KIND": "sqs", "QUEUE_URL": "letters"}, r"deadletters\.queue_url: not a URL"),
        ({"KIND": "index", "INDEX": "Letters"}, r"deadletters\.index: .*lower case"),
        ({"KIND": "index", "INDEX": "_letters"}, r"deadletters\.index: "),
        ({"KIND": "sqs", "QUEUE_URL": QUEUE, "MAX_MESSAGE_BYTES": "1048577"}, r"deadletters\.max_message_bytes: "),
        ({"KIND": "memory"}, r"deadletters\.kind: .*not one of file, s3, sqs, index"),
    ],
)
def test_settings_that_cannot_be(values: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        settings_of(**values)


def test_the_pipeline_refuses_storage_that_does_not_last(tmp_path: Path) -> None:
    """Before it looks for the cluster."""
    with pytest.raises(ConfigError, match=r"deadletters\.path: .* goes away with the machine"):
        wiring.pipeline(
            settings_of(PATH=str(tmp_path)),
            should_stop=lambda: pytest.fail("the cluster was waited for"),
            on_wait=lambda _reason, _seconds: None,
            clock=FakeClock(),
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "s3"])
def test_a_lambda_takes_any_kind_but_files(kind: str, tmp_path: Path) -> None:
    settings = settings_of(KIND=kind, BUCKET="b", PATH=str(tmp_path), ACCEPT_LOSS="true")
    environ = {"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_REGION": "eu-west-1"}
    if kind == "file":
        with pytest.raises(ConfigError, match="a Lambda has no disk that stays"):
            wiring_deadletters.deadletters(settings, environ, FakeClock(), connect=wiring.sink)
    else:
        wiring_deadletters.deadletters(settings, environ, FakeClock(), connect=wiring.sink).close()


def test_what_doctor_says_of_amazon(aws_url: str, bucket: str, queue_url: str, aws: Callable[[str], Any]) -> None:
    given = {"S3_ENDPOINT": aws_url, "SQS_ENDPOINT": aws_url, "REGION": "eu-west-1"}
    assert probe(settings_of(KIND="s3", BUCKET=bucket, **given)) == f"s3://{bucket}/dead-letters"
    assert probe(settings_of(KIND="sqs", QUEUE_URL=queue_url, **given)) == f"queue {queue_url}"
    both = settings_of(KIND="sqs", QUEUE_URL=queue_url, BUCKET=bucket, **given)
    assert probe(both) == f"queue {queue_url}, large ones in s3://{bucket}/dead-letters"
    with pytest.raises(DeadLetterError, match=r"make it, or correct deadletters\.bucket"):
        probe(settings_of(KIND="s3", BUCKET="no-such-bucket-here", **given))
    with pytest.raises(DeadLetterError, match=r"make it, or correct deadletters\.queue_url"):
        probe(settings_of(KIND="sqs", QUEUE_URL=f"{queue_url}-not", **given))
    assert aws("s3").list_objects_v2(Bucket=bucket)["KeyCount"] == 0
