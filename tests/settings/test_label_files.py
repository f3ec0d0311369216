"""Label files: what they may hold, where they lie, and what is said of those that are wrong."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from vpcflow.errors import EX_CONFIG, EX_TEMPFAIL, ConfigError
from vpcflow.settings import label_files
from vpcflow.settings.decoding import codec_options
from vpcflow.settings.label_files import MAX_NAME, read_labels
from vpcflow.settings.load import load
from vpcflow.settings.model import Settings


def settings_of(*files: object, **environ: str) -> Settings:
    given = {"LABELS__FILES": ",".join(map(str, files)), **environ}
    return load(None, {f"VPCFLOW_{name}": value for name, value in given.items()}).settings


def file(folder: Path, content: str | bytes, name: str = "labels.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def names(folder: Path, content: str | bytes, **environ: str) -> dict[str, str | None]:
    labels = read_labels(settings_of(file(folder, content), **environ))
    assert labels is not None
    found = {"eni-1": labels.interface("eni-1")}
    found |= {address: labels.address(address) for address in ("10.0.0.1", "10.0.0.2", "2001:db8::1")}
    return {key: name for key, name in found.items() if name is not None}


@pytest.mark.parametrize(
    "content",
    [
        "eni-1,web\n10.0.0.1,one\n2001:db8::/32,six\n",
        "key,name\neni-1,web\n10.0.0.1,one\n2001:db8::/32,six",
        "Key, Name\r\neni-1,web\r\n10.0.0.1, one \r\n2001:db8::/32,six\r\n",
        "# ours\n\n  # too\nkey,name\n\neni-1,web\n# and\n10.0.0.1,one\n2001:db8::/32,six\n",
        '\ufeffkey,name\neni-1,"web"\n"10.0.0.1","one"\n"2001:db8::/32",six\n',
        "eni-1,web\neni-1,web\n10.0.0.1,one\n2001:DB8::/32,six\n",
    ],
)
def test_ways_to_write_a_file(tmp_path: Path, content: str) -> None:
    assert names(tmp_path, content) == {"eni-1": "web", "10.0.0.1": "one", "2001:db8::1": "six"}


def test_names_may_hold_commas_and_quotes(tmp_path: Path) -> None:
    assert names(tmp_path, 'eni-1,"web, ""blue"""\n10.0.0.1,\u20ac\n') == {"eni-1": 'web, "blue"', "10.0.0.1": "\u20ac"}


@pytest.mark.parametrize("content", ["", "key,name\n", "# nothing\n"])
def test_a_file_may_be_empty(tmp_path: Path, content: str) -> None:
    assert names(tmp_path, content) == {}


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("eni-1,web\nweb,10.0.0.1\n", 2, "'web' is neither an address nor a CIDR, nor an interface (eni-…)"),
        ("name,key\n", 1, "'name' is neither"),
        ("eni-1,web\nkey,name\n", 2, "'key' is neither"),
        ("# a\n\n10.0.0.1/8,x\n", 3, "10.0.0.0/8 is the network"),
        ("10.0.0.0/33,x\n", 1, "neither an address nor a CIDR"),
        ("eni-1\n", 1, "1 column where"),
        ("eni-1,a,b\n", 1, "3 columns where"),
        ("eni-1;web\n", 1, "1 column where"),
        ("10.0.0.1,x\neni-1,\n", 2, "an empty name"),
        (f"eni-1,{'x' * (MAX_NAME + 1)}\n", 1, "a name of more than 1024"),
        ("eni-1,web\n10.0.0.1,x\neni-1,db\n", 3, "eni-1 has another name"),
        ('eni-1,"web\n', 1, "no CSV"),
        ('eni-1,"web"x\n', 1, "no CSV"),
        (b"eni-1,web\neni-2,w\xe4b\n", 2, "no UTF-8"),
        (",web\n", 1, "'' is neither"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, content: str | bytes, line: int, problem: str) -> None:
    path = file(tmp_path, content)
    with pytest.raises(ConfigError) as caught:
        read_labels(settings_of(path))
    said = str(caught.value)
    assert said.startswith(f"labels.files[0]: {path}, line {line}: ")
    assert problem in said
    assert "\n" not in said
    assert caught.value.exit_code == EX_CONFIG


def test_a_name_of_the_longest_length(tmp_path: Path) -> None:
    assert names(tmp_path, f"eni-1,{'x' * MAX_NAME}\n") == {"eni-1": "x" * MAX_NAME}


def test_the_last_of_several_files_counts(tmp_path: Path) -> None:
    first = file(tmp_path, "eni-1,generated\n10.0.0.1,one\n", "a.csv")
    second = file(tmp_path, "eni-1,by hand\n", "b.csv")
    labels = read_labels(settings_of(first, second))
    assert labels is not None
    assert (labels.interface("eni-1"), labels.address("10.0.0.1")) == ("by hand", "one")


def test_the_cap_is_on_all_files_together(tmp_path: Path) -> None:
    first = file(tmp_path, "10.0.0.1,a\n10.0.0.2,b\n", "a.csv")
    second = file(tmp_path, "10.0.0.3,c\n10.0.0.4,d\n", "b.csv")
    assert read_labels(settings_of(first, second, LABELS__MAX_ENTRIES="4")) is not None
    with pytest.raises(ConfigError, match=r"labels\.files\[1\]: .*b\.csv, line 2: more than 3 entries in all"):
        read_labels(settings_of(first, second, LABELS__MAX_ENTRIES="3"))
    with pytest.raises(ConfigError, match=r"labels\.files\[0\]: .*a\.csv, line 2: more than 1 entries"):
        read_labels(settings_of(first, LABELS__MAX_ENTRIES="1"))


def test_a_file_is_never_read_beyond_what_its_entries_may_take(tmp_path: Path) -> None:
    path = file(tmp_path, "#" * 1_000_001)
    with pytest.raises(ConfigError, match="over 1,000,000 bytes"):
        read_labels(settings_of(path, LABELS__MAX_ENTRIES="10"))
    assert read_labels(settings_of(path)) is not None


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ConfigError, match=r"labels\.files\[0\]: .*; give a CSV file"):
            read_labels(settings_of(path))


def test_the_same_content_is_in_memory_once(tmp_path: Path) -> None:
    first, second = file(tmp_path, "eni-1,web\n", "a.csv"), file(tmp_path, "eni-1,web\n", "b.csv")
    assert read_labels(settings_of(first)) is read_labels(settings_of(second))
    before = read_labels(settings_of(first))
    file(tmp_path, "eni-1,other\n", "a.csv")
    after = read_labels(settings_of(first))
    assert before is not None
    assert after is not None
    assert (before.interface("eni-1"), after.interface("eni-1")) == ("web", "other")
    for number in range(20):
        read_labels(settings_of(file(tmp_path, f"eni-{number},x\n", "c.csv")))
    assert len(label_files._made) <= 8


def test_what_decodes_nothing_reads_no_file(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "none.csv")
    assert codec_options(settings, with_labels=False).labels is None
    with pytest.raises(ConfigError):
        codec_options(settings)
    assert codec_options(load(None, {}).settings).labels is None


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"FILTER__INCLUDE": '["action == REJECT", "acton == REJECT"]'}, "filter.include[1]: column 1: unknown field"),
        ({"FILTER__EXCLUDE": "action == NOTHING"}, "filter.exclude[0]: column 11: action is"),
        ({"FILTER__INCLUDE": "dstport in (22, 23)"}, "filter.include[0]: column 15: a comma or ) is wanted"),
        ({"FILTER__INCLUDE": "srcaddr in internal"}, "labels.internal_cidrs"),
        ({"LABELS__INTERNAL_CIDRS": "10.0.0.0/8,10.0.0.1/8"}, "labels.internal_cidrs[1]: '10.0.0.1/8' has bits"),
    ],
)
def test_wrong_settings_have_their_key(environ: dict[str, str], problem: str) -> None:
    settings = load(None, {f"VPCFLOW_{name}": value for name, value in environ.items()}).settings
    with pytest.raises(ConfigError) as caught:
        codec_options(settings, with_labels=False)
    assert problem in str(caught.value)


# S3


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, aws_url: str) -> Iterator[Any]:
    for name in [one for one in os.environ if one.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=aws_url)
    client.create_bucket(Bucket="labels")
    yield client
    client.close()


def at(aws_url: str, *files: object, **environ: str) -> Settings:
    return settings_of(*files, OBJECTS__S3_ENDPOINT=aws_url, OBJECTS__REGION="us-east-1", **environ)


def test_files_in_s3(bucket: Any, aws_url: str) -> None:  # noqa: ANN401
    bucket.put_object(Bucket="labels", Key="team a/labels.csv", Body=b"key,name\neni-1,web\n")
    labels = codec_options(at(aws_url, "s3://labels/team a/labels.csv")).labels
    assert labels is not None
    assert labels.interface("eni-1") == "web"
    bucket.put_object(Bucket="labels", Key="bad.csv", Body=b"eni-1,web\nwhat,web\n")
    with pytest.raises(ConfigError, match=r"labels\.files\[0\]: s3://labels/bad\.csv, line 2: "):
        read_labels(at(aws_url, "s3://labels/bad.csv"))
    bucket.put_object(Bucket="labels", Key="large.csv", Body=b"#" * 1_000_001)
    with pytest.raises(ConfigError, match="over 1,000,000 bytes"):
        read_labels(at(aws_url, "s3://labels/large.csv", LABELS__MAX_ENTRIES="10"))


@pytest.mark.parametrize("name", ["s3://labels/none.csv", "s3://nobody-has-this/x.csv"])
def test_what_is_not_in_s3(bucket: Any, aws_url: str, name: str) -> None:  # noqa: ANN401 - the bucket is there
    with pytest.raises(ConfigError) as caught:
        read_labels(at(aws_url, name))
    assert str(caught.value).startswith(f"labels.files[0]: {name}: NoSuch")
    assert caught.value.exit_code == EX_CONFIG


@pytest.mark.parametrize("name", ["s3://", "s3://labels", "s3://labels/", "s3:///x.csv"])
def test_what_names_no_object(name: str) -> None:
    with pytest.raises(ConfigError, match="write s3://BUCKET/KEY"):
        read_labels(settings_of(name))


def test_s3_that_is_away(bucket: Any) -> None:  # noqa: ANN401 - for its environment
    with pytest.raises(ConfigError, match="try again later") as caught:
        read_labels(at("http://127.0.0.1:9", "s3://labels/x.csv"))
    assert caught.value.exit_code == EX_TEMPFAIL
