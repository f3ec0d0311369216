"""Keys of flow logs in a bucket: which are wanted, what they say, and which folders hold the days of a range.

Layouts: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-path.html,
https://docs.aws.amazon.com/vpc/latest/tgw/flow-logs-s3.html. After any prefix:

    AWSLogs/<account>/vpcflowlogs/<region>/YYYY/MM/DD/[HH/]<file>
    AWSLogs/aws-account-id=<account>/aws-service=vpcflowlogs/aws-region=<region>/year=YYYY/month=MM/day=DD/[hour=HH/]<file>
    <file>: <account>_vpcflowlogs_<region>_<flow log>_YYYYMMDDTHHmmZ_<hash>.log.gz or .log.parquet
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase

__all__ = ["KeyFacts", "day_folders", "facts", "wanted"]

_FOLDERS = re.compile(
    r"(?:^|/)AWSLogs/"
    r"(?:aws-account-id=)?(?P<account>[^/=]+)/"
    r"(?:(?:aws-)?service=)?vpcflowlogs/"
    r"(?:(?:aws-region=|region=)?(?P<region>[^/=]+)/"
    r"(?:(?:year=)?(?P<year>[0-9]{4})/"
    r"(?:(?:month=)?(?P<month>[0-9]{2})/"
    r"(?:(?:day=)?(?P<day>[0-9]{2})/"
    r"(?:(?:hour=)?(?P<hour>[0-9]{2})/)?)?)?)?)?"
)
_ACCOUNT = re.compile(r"(?:^|/)AWSLogs/(?:aws-account-id=)?(?P<account>[^/=]+)/")
_FILE = re.compile(
    r"(?P<account>[0-9]{12})_vpcflowlogs_(?P<region>[a-z0-9-]+)_(?P<flow_log>fl-[0-9a-z]+)_(?P<time>[0-9]{8}T[0-9]{4}Z)_[^/_]*"
)
_DAY_DIGITS = 8
_DEEPEST = 24  # folders in each other


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What a key says. "" and None: it does not say.

    day: of the folder, else of the file's name. hour: 0 … 23.
    time_ms: for lines that have no time of their own: of the file's name, else of the folder; milliseconds since 1970, UTC.
    """

    account: str = ""
    region: str = ""
    flow_log: str = ""
    day: date | None = None
    hour: int | None = None
    time_ms: int | None = None


def wanted(key: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Return whether an object is to be read: its key fits one pattern of `include` and none of `exclude`.

    Patterns as of `fnmatch`, case-sensitive, of the whole key; `*` stands for slashes, too. What the S3 console makes to show
    a folder, a key with a slash at its end, is never wanted.
    """
    return (
        not key.endswith("/")
        and any(fnmatchcase(key, pattern) for pattern in include)
        and not any(fnmatchcase(key, pattern) for pattern in exclude)
    )


def facts(key: str) -> KeyFacts:
    """Return what a key, or the beginning of one, says. Nothing of it is guessed: a key of another layout says nothing."""
    found, named = _FOLDERS.search(key), _FILE.match(key.rpartition("/")[2])
    folder = found.groupdict("") if found else {}
    name = named.groupdict() if named else {}
    at = _moment(f"{folder.get('year', '')}{folder.get('month', '')}{folder.get('day', '')}", folder.get("hour", ""))
    exact = _time(name.get("time", ""), "%Y%m%dT%H%MZ")
    when, moment = at or exact, exact or at
    hour = folder.get("hour", "")
    return KeyFacts(
        account=folder.get("account", "") or name.get("account", ""),
        region=folder.get("region", "") or name.get("region", ""),
        flow_log=name.get("flow_log", ""),
        day=when.date() if when else None,
        hour=int(hour) if at and hour else exact.hour if exact else None,
        time_ms=int(moment.timestamp() * 1000) if moment else None,
    )


def day_folders(
    prefix: str,
    folders: Callable[[str], Iterable[str]],
    *,
    first: date,
    last: date,
    accounts: Sequence[str] = (),
    regions: Sequence[str] = (),
) -> Iterator[str]:
    """Yield the folders, as key prefixes, that hold the days from `first` to `last`, in any of the layouts.

    Args:
        prefix: where to look; any beginning of a layout's folders, or what stands before it. A slash at its end is added.
        folders: returns the folders right below a prefix, each with its whole path and a slash at its end: `CommonPrefixes`
            of ListObjectsV2 with the delimiter `/`. It is asked about no folder outside of what is wanted.
        first: a day, UTC.
        last: a day, UTC; it is among them.
        accounts: only these; none: all.
        regions: only these; none: all.
    """

    def below(path: str, depth: int) -> Iterator[str]:
        if _day_of(path) is not None or depth == 0:
            yield path
            return
        for folder in folders(path):
            if _may_hold(folder, first, last, accounts, regions):
                yield from below(folder, depth - 1)

    start = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"
    if _may_hold(start, first, last, accounts, regions):
        yield from below(start, _DEEPEST)


def _may_hold(path: str, first: date, last: date, accounts: Sequence[str], regions: Sequence[str]) -> bool:
    """Return whether something wanted can be below a folder, as far as its path says."""
    owner = _ACCOUNT.search(path)
    if owner is None:
        return True
    if accounts and owner["account"] not in accounts:
        return False
    found = _FOLDERS.search(path)
    if found is None:  # another service's, or not so far down
        return path.endswith(owner[0])
    if regions and found["region"] and found["region"] not in regions:
        return False
    parts = tuple(int(found[name]) for name in ("year", "month", "day") if found[name])
    low, high = (first.year, first.month, first.day), (last.year, last.month, last.day)
    return not parts or low[: len(parts)] <= parts <= high[: len(parts)]


def _day_of(path: str) -> str | None:
    found = _FOLDERS.search(path)
    return found["day"] if found else None


def _moment(day: str, hour: str) -> datetime | None:
    return _time(f"{day}{hour or '00'}00", "%Y%m%d%H%M") if len(day) == _DAY_DIGITS else None


def _time(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None
