from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

import pytest

from vpcflow.objects.keys import KeyFacts, day_folders, facts, wanted

DEFAULT = "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/25/"
FILE = "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20261125T1620Z_fe123456.log.gz"
HIVE = "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2026/month=11/day=25/"
TRANSIT = HIVE.replace("aws-service=", "service=")
EXACT = int(datetime(2026, 11, 25, 16, 20, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize("prefix", ["", "base/", "a/AWSLogs-old/b/", "AWSLogs/"])
@pytest.mark.parametrize("hour", ["", "16/", "hour=16/"])
@pytest.mark.parametrize("folders", [DEFAULT, HIVE, TRANSIT])
@pytest.mark.parametrize("ending", [".log.gz", ".log.parquet"])
def test_49_every_layout_is_understood(prefix: str, hour: str, folders: str, ending: str) -> None:
    name = FILE.replace(".log.gz", ending)
    if prefix == "AWSLogs/":
        prefix = ""
    assert facts(prefix + folders + hour + name) == KeyFacts(
        account="123456789012",
        region="us-east-1",
        flow_log="fl-1234abcd",
        day=date(2026, 11, 25),
        hour=16,
        time_ms=EXACT,
    )


def test_a_folder_says_the_time_where_the_name_does_not() -> None:
    said = facts(f"{DEFAULT}07/part-0001.parquet")
    assert said.time_ms == int(datetime(2026, 11, 25, 7, tzinfo=UTC).timestamp() * 1000)
    assert said.hour == 7
    said = facts(f"{DEFAULT}part-0001.parquet")
    assert said.time_ms == int(datetime(2026, 11, 25, tzinfo=UTC).timestamp() * 1000)
    assert said.hour is None
    assert facts(f"elsewhere/{FILE}").time_ms == EXACT


@pytest.mark.parametrize(
    "key",
    [
        "",
        "flows.log.gz",
        "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/25/123456789012_CloudTrail_us-east-1_20261125T1620Z_x.json.gz",
        "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/13/45/x.log.gz",
        "awslogs/123456789012/vpcflowlogs/us-east-1/2026/11/25/x.log.gz",
        "AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/11/25",
        "123456789012_vpcflowlogs_us-east-1_fl-1_20261345T9920Z_x.log.gz",
    ],
)
def test_what_says_no_time_has_none(key: str) -> None:
    assert facts(key).time_ms is None
    assert facts(key).day is None


MIXED = [
    DEFAULT + FILE,
    HIVE + FILE.replace(".gz", ".parquet"),
    DEFAULT + "_SUCCESS",
    DEFAULT,
    "AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/25/x.json.gz",
    "AWSLogs/123456789012/CloudTrail-Digest/us-east-1/2026/11/25/x.json.gz",
    "AWSLogs/123456789012/vpcflowlogs/us-east-1/x.digest",
    "AWSLogs/123456789012/elasticloadbalancing/us-east-1/2026/11/25/x.log.gz",
    "AWSLogs/123456789012/VPCFLOWLOGS/x.log.gz",
]


def test_48_a_bucket_with_mixed_data_gives_its_flow_logs_only() -> None:
    assert [key for key in MIXED if wanted(key, ["*vpcflowlogs*"], ["*/_SUCCESS", "*.digest"])] == MIXED[:2]
    assert [key for key in MIXED if wanted(key, ["*vpcflowlogs*.log.gz"], [])] == MIXED[:1]
    assert [key for key in MIXED if wanted(key, ["*vpcflowlogs*"], ["*.parquet", "*"])] == []
    assert [key for key in MIXED if wanted(key, [], [])] == []


class Folders:
    """Answers as S3 lists with a delimiter; remembers what it was asked."""

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = list(keys)
        self.asked: list[str] = []

    def __call__(self, prefix: str) -> list[str]:
        self.asked.append(prefix)
        rests = [key[len(prefix) :] for key in self.keys if key.startswith(prefix)]
        return sorted({f"{prefix}{rest.partition('/')[0]}/" for rest in rests if "/" in rest})


def bucket() -> Folders:
    keys = []
    for account in ("111111111111", "222222222222"):
        for region in ("eu-central-1", "us-east-1"):
            for day in ("2025/12/31", "2026/01/01", "2026/01/02", "2026/02/01"):
                year, month, number = day.split("/")
                keys.append(f"base/AWSLogs/{account}/vpcflowlogs/{region}/{day}/x.log.gz")
                keys.append(
                    f"hive/AWSLogs/aws-account-id={account}/aws-service=vpcflowlogs/aws-region={region}"
                    f"/year={year}/month={month}/day={number}/hour=03/x.log.parquet"
                )
            keys.append(f"base/AWSLogs/{account}/CloudTrail/{region}/2026/01/01/x.json.gz")
    return Folders(keys)


def found(folders: Folders, prefix: str, first: date, last: date, **only: list[str]) -> list[str]:
    return list(day_folders(prefix, folders, first=first, last=last, **only))


def test_days_of_a_range_in_both_layouts() -> None:
    folders = bucket()
    days = found(folders, "", date(2025, 12, 31), date(2026, 1, 1))
    assert len(days) == 2 * 2 * 2 * 2
    assert "base/AWSLogs/111111111111/vpcflowlogs/us-east-1/2026/01/01/" in days
    hive = "hive/AWSLogs/aws-account-id=222222222222/aws-service=vpcflowlogs/aws-region=eu-central-1/year=2025/month=12/day=31/"
    assert hive in days
    assert not [path for path in folders.asked if "CloudTrail" in path or "/02/" in path or "month=02" in path]


def test_only_what_is_asked_for_is_listed() -> None:
    folders = bucket()
    only = {"accounts": ["111111111111"], "regions": ["us-east-1"]}
    days = found(folders, "base", date(2026, 1, 2), date(2026, 1, 2), **only)
    assert days == ["base/AWSLogs/111111111111/vpcflowlogs/us-east-1/2026/01/02/"]
    assert not [path for path in folders.asked if "222222222222/" in path or "eu-central-1" in path or "2025" in path]


@pytest.mark.parametrize("depth", range(9))
def test_a_prefix_may_begin_at_any_folder(depth: int) -> None:
    day = "base/AWSLogs/111111111111/vpcflowlogs/us-east-1/2026/01/02/"
    prefix = "/".join(day.split("/")[:depth])
    for end in ("", "/"):
        if prefix or not end:
            days = found(bucket(), prefix + end, date(2026, 1, 2), date(2026, 1, 2))
            assert day in days


def test_a_prefix_outside_of_the_range_holds_nothing() -> None:
    folders = bucket()
    prefix = "base/AWSLogs/111111111111/vpcflowlogs/us-east-1/2026/01/02"
    assert found(folders, prefix, date(2026, 2, 1), date(2026, 2, 1)) == []
    assert found(folders, "base/AWSLogs/111111111111/CloudTrail", date(2026, 1, 1), date(2026, 1, 1)) == []
    assert folders.asked == []


def test_folders_in_folders_end_somewhere() -> None:
    asked = []

    def endless(prefix: str) -> list[str]:
        asked.append(prefix)
        return [f"{prefix}x/"]

    assert len(list(day_folders("", endless, first=date(2026, 1, 1), last=date(2026, 1, 1)))) == 1
    assert len(asked) < 100
