"""A script: the rules of a proxy, as TOML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from vpcflow.errors import ConfigError
from vpcflow.faults.answers import AnswerTwice, Garbage, Html, Status, Watch, WrongCount, WrongOperation
from vpcflow.faults.connection import Delay, Drip, ResetAfter, ResetBefore, ResetMid, Truncate
from vpcflow.faults.items import FailureStoreUsed, ItemErrors
from vpcflow.faults.rules import Rule

__all__ = ["ACTIONS", "load_script", "parse_script"]

ACTIONS: tuple[type[Rule], ...] = (
    Delay,
    ResetBefore,
    ResetMid,
    ResetAfter,
    Truncate,
    Drip,
    Status,
    Garbage,
    Html,
    AnswerTwice,
    WrongCount,
    WrongOperation,
    ItemErrors,
    FailureStoreUsed,
    Watch,
)
_AnyRule = (
    Delay
    | ResetBefore
    | ResetMid
    | ResetAfter
    | Truncate
    | Drip
    | Status
    | Garbage
    | Html
    | AnswerTwice
    | WrongCount
    | WrongOperation
    | ItemErrors
    | FailureStoreUsed
    | Watch
)


class _Script(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    rule: list[_AnyRule] = []


def parse_script(text: str, *, source: str = "script") -> Sequence[Rule]:
    """Return the rules of a script, `[[rule]]` tables with an `action` each.

    Raises:
        ConfigError: not TOML, an unknown key or action, a value that cannot be; it says where.
    """
    try:
        return msgspec.toml.decode(text, type=_Script).rule
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(f"{source}: {' '.join(str(error).split())}; correct it") from None


def load_script(file: Path) -> Sequence[Rule]:
    """Return the rules of a file, see `parse_script`.

    Raises:
        ConfigError: the file cannot be read, or see there.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigError(f"{file}: {reason}; give the script's file") from None
    return parse_script(text, source=str(file))
