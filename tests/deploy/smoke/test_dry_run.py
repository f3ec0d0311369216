"""What a run would do, said without credentials and without network; and the options."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from botocore import xform_name
from botocore.session import get_session

from deploy.smoke import cost
from deploy.smoke.assumptions import ASSUMPTIONS
from deploy.smoke.command import main
from deploy.smoke.stack import TEMPLATES

ROOT = Path(__file__).resolve().parents[3]
TARGET = [
    "--target",
    "https://search.example.com:9200",
    "--secret",
    "arn:aws:secretsmanager:eu-central-1:1:secret:s-AbCdEf",
]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a dry run must not go out")

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.mark.parametrize("more", [[], TARGET, ["--no-probes"]])
def test_each_call_is_said_and_none_is_made(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--dry-run", *more]) == 0
    said = capsys.readouterr().out
    calls = re.findall(r"^    ([a-z0-9]+):([A-Z]\w+)(?: |$)", said, re.MULTILINE)
    models = get_session()
    for service, operation in calls:
        assert operation in models.get_service_model(service).operation_names, xform_name(operation)
    made = [f"{service}:{operation}" for service, operation in calls]
    assert (
        made.index("cloudformation:CreateStack")
        < made.index("logs:PutLogEvents")
        < made.index("cloudformation:DeleteStack")
    )
    assert made[-1] == "sqs:ListQueues"
    assert ("firehose:PutRecordBatch" in made) == ("--no-probes" not in more)
    assert ("flow-logs-" in said) == (more is TARGET)
    for template in TEMPLATES:
        assert f"Key={template}" in said
    assert "about $0." in said


@pytest.mark.parametrize(
    ("environ", "more", "region"),
    [
        ({}, [], "eu-central-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, [], "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "us-gov-west-1"}, [], "us-gov-west-1"),
        ({"AWS_REGION": "us-gov-west-1"}, ["--region", "sa-east-1"], "sa-east-1"),
    ],
)
def test_it_speaks_of_the_region_of_the_run(
    environ: dict[str, str],
    more: list[str],
    region: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main(["--dry-run", *more]) == 0
    assert f" in {region}\n" in capsys.readouterr().out


def test_it_lists_what_it_would_confirm(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--dry-run", *TARGET])
    said = capsys.readouterr().out
    mine = [one for one in ASSUMPTIONS if one.confirmed]
    assert all(f"    {one.name}: " in said for one in mine)
    assert f"{len(ASSUMPTIONS) - len(mine)} more cannot be confirmed by this run" in said


def test_the_sum_is_that_of_its_lines() -> None:
    items = cost.items(events=400, hours=0.5)
    assert list(cost.report(events=400, hours=0.5))[-1].startswith(
        f"about ${sum(one.amount * one.price for one in items):.2f} "
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--events", "1"], "--events: say a number from 50 to 10000"),
        (["--minutes", "0"], "--minutes: say a number from 1 to 120"),
        (["--remove", "my-stack"], "--remove: 'my-stack' is no run; they are called smoke-0123abcd"),
        (["--region", "eu central"], "--region: say it as AWS does, eu-central-1"),
        (["--target", "search"], "--target: say https://HOST:PORT"),
        (["--username", "me"], "--secret and --username are for a --target"),
        (["--target", "https://x", "--username", "me"], "--username: its password is in a --secret"),
    ],
)
def test_wrong_options(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--yes", *arguments]) == 64
    assert capsys.readouterr().err == f"error: {said}\n"


@pytest.mark.parametrize("arguments", [["--bogus"], ["--events", "many"], ["--architecture", "sparc"]])
def test_options_that_are_none(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 64
    assert re.fullmatch(r"error: [^\n]+; see python -m deploy\.smoke --help\n", capsys.readouterr().err)


def test_nobody_listens_any_more() -> None:
    """With `| tee`, one Ctrl-C ends both: what was made must be taken away nevertheless."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "deploy.smoke", "--dry-run"],
            cwd=ROOT, stdout=gone, stderr=subprocess.PIPE, text=True, check=False, timeout=120,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_it_costs_money_so_somebody_must_say_yes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--region", "eu-central-1"]) == 64
    assert "this costs money; say --yes, or --dry-run" in capsys.readouterr().err


def test_no_region(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert main(["--yes"]) == 78
    assert capsys.readouterr().err == "error: no AWS region; say --region or set AWS_REGION\n"


def test_no_such_profile(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert main(["--yes", "--region", "eu-central-1", "--profile", "nobody"]) == 78
    assert "nobody" in capsys.readouterr().err
