"""What a filter is made of: verdicts about single tokens, and how they are put together, column by column."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import and_, not_, or_

from vpcflow.codec.columns import Cells

__all__ = ["ABSENT", "All", "Condition", "Leaf", "Neither", "Node", "Some", "Verdicts", "reduced", "rows"]

ABSENT = "-"
_CACHED = 65_536


class Verdicts(dict[str, bool | None]):
    """`verdicts[token]`: whether a comparison is true; None where the token is not what its field allows.

    Each token is judged once. Bounded: emptied when full.
    """

    def __init__(self, judge: Callable[[str], bool | None], *, absent: bool) -> None:
        """`judge`: of a token that is there; `absent`: the verdict where there is none."""
        super().__init__()
        self._judge = judge
        self._absent = absent

    def __missing__(self, token: str) -> bool | None:
        """Judge it and remember it. In batches that are not plain, tokens are as JSON writes them."""
        if len(self) >= _CACHED:
            self.clear()
        text = json.loads(f'"{token}"') if "\\" in token else token
        verdict = self[token] = self._absent if text == ABSENT else self._judge(text)
        return verdict


@dataclass(frozen=True, slots=True)
class Leaf:
    """A comparison. name: of the field, or `log-group`, `log-stream`, `source`."""

    name: str
    verdicts: Verdicts


@dataclass(frozen=True, slots=True)
class Neither:
    """True where the part is not."""

    part: Node


@dataclass(frozen=True, slots=True)
class All:
    """True where all parts are."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """True where at least one part is."""

    parts: tuple[Node, ...]


Node = Leaf | Neither | All | Some
# True and False: nothing has to be looked at any more.
Condition = bool | Node


def reduced(condition: Condition, told: Callable[[str], str | None]) -> Condition:
    """Return the condition without the comparisons whose token is the same everywhere.

    told: returns that token for a name, ABSENT for what there is not, None for what a line must be asked.
    """
    if isinstance(condition, bool):
        return condition
    if isinstance(condition, Leaf):
        token = told(condition.name)
        return condition if token is None else bool(condition.verdicts[token])
    if isinstance(condition, Neither):
        part = reduced(condition.part, told)
        return (not part) if isinstance(part, bool) else Neither(part)
    decides = isinstance(condition, Some)  # what one part decides alone
    parts = [reduced(part, told) for part in condition.parts]
    if decides in parts:
        return decides
    left = tuple([part for part in parts if not isinstance(part, bool)])
    if len(left) < 2:  # noqa: PLR2004 - nothing to put together
        return left[0] if left else not decides
    return Some(left) if decides else All(left)


def rows(condition: Node, columns: Mapping[str, Cells], bad: set[int]) -> list[bool]:
    """Return for each row whether a `reduced` condition is true; rows that cannot be judged are added to `bad`."""
    if isinstance(condition, Leaf):
        verdicts = list(map(condition.verdicts.__getitem__, columns[condition.name]))
        if None in verdicts:
            bad.update([row for row, verdict in enumerate(verdicts) if verdict is None])
        return [verdict is True for verdict in verdicts] if bad else verdicts  # type: ignore[return-value] # none is None
    if isinstance(condition, Neither):
        return list(map(not_, rows(condition.part, columns, bad)))
    first, *others = condition.parts
    found = rows(first, columns, bad)
    together = or_ if isinstance(condition, Some) else and_
    for part in others:
        found = list(map(together, found, rows(part, columns, bad)))
    return found
