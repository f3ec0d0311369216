"""Clients of AWS: where they look for their region, and what is said of one that cannot be made. Nothing is asked."""

from __future__ import annotations

import os

import pytest
from botocore.loaders import JSONFileLoader

from vpcflow.aws import client, explained
from vpcflow.errors import EX_CONFIG, EX_NOPERM, ConfigError


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*os.environ]:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)


@pytest.mark.parametrize(
    ("given", "environ", "found"),
    [
        ("", {"AWS_REGION": "eu-north-1"}, "eu-north-1"),
        ("", {"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ("", {"AWS_REGION": "eu-north-1", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-north-1"),
        ("", {"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ("us-gov-west-1", {"AWS_REGION": "eu-north-1"}, "us-gov-west-1"),
    ],
)
@pytest.mark.parametrize("service", ["s3", "sqs", "ec2", "kinesis"])
def test_the_region_is_found_as_other_sdks_find_it(
    service: str, given: str, environ: dict[str, str], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    made = client(service, region=given, error=ConfigError)
    assert made.meta.region_name == found
    made.close()


@pytest.mark.parametrize(
    ("options", "environ", "words"),
    [
        ({}, {}, "sqs: no AWS region; set AWS_REGION"),
        ({"region": "eu central"}, {}, "'eu central'"),
        ({"region": "eu-west-1", "endpoint": "nonsense"}, {}, "Invalid endpoint: nonsense"),
        ({"region": "eu-west-1"}, {"AWS_PROFILE": "nobody"}, "(nobody)"),
    ],
)
def test_a_client_that_cannot_be_made_is_a_matter_of_settings(
    options: dict[str, str], environ: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as caught:
        client("sqs", error=ConfigError, **options)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == EX_CONFIG


def test_a_name_that_cannot_be_is_no_reason_to_try_again(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = client("s3", region="eu-west-1", error=ConfigError)
    words = r"^s3://A b/: no such name can be; correct the bucket's name$"
    with pytest.raises(ConfigError, match=words) as caught, explained("s3://A b/", "the bucket's name", ConfigError):
        s3.list_objects_v2(Bucket="A b")
    assert caught.value.exit_code == EX_CONFIG
    s3.close()


@pytest.mark.parametrize("environ", [{}, {"AWS_ACCESS_KEY_ID": "testing"}])
def test_no_credentials_or_half_of_them(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="give this process a role") as caught, explained("s3://b/", "", ConfigError):
        client("s3", region="eu-west-1", endpoint="http://127.0.0.1:1", error=ConfigError).list_buckets()
    assert caught.value.exit_code == EX_NOPERM


def test_descriptions_of_services_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    load = JSONFileLoader.load_file
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda self, path: read.append(path) or load(self, path))
    for _ in range(2):
        client("kinesis", region="eu-west-1").close()
    assert len(read) == len(set(read))
