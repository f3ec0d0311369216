"""What a rule is: which requests it means, and what it does with them."""

from __future__ import annotations

import random
import re
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence

import msgspec

from vpcflow.faults.exchange import Exchange
from vpcflow.faults.messages import Request

__all__ = ["Rule", "Schedule"]


class Rule(msgspec.Struct, tag_field="action", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """A table of a script. All that is given must match.

    name: for the injection log; empty: the rule's place in the script.
    method: HTTP method; empty: any.
    path: regular expression, found anywhere in path and query.
    headers: regular expressions by header name, each found in its value.
    nth: only the n-th request that matches, the first is 1.
    first, last: only from this one to that one; `last = 0`: no end.
    every: of those only each n-th, the first one included.
    probability: of those only such a part, drawn with the seed.
    """

    name: str = ""
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = {}
    nth: int = 0
    first: int = 1
    last: int = 0
    every: int = 1
    probability: float = 1.0

    def __post_init__(self) -> None:
        """Check what types cannot say."""
        if min(self.first, self.every) < 1 or min(self.nth, self.last) < 0:
            raise ValueError("requests are counted from 1")
        if self.nth and (self.first, self.last, self.every) != (1, 0, 1):
            raise ValueError("nth goes with none of first, last, every")
        for pattern in (self.path, *self.headers.values()):
            _compile(pattern)

    @property
    def kind(self) -> str:
        """Return the action's name."""
        return str(self.__struct_config__.tag)

    def means(self, request: Request) -> bool:
        """Return whether the request is of those that are counted."""
        return (
            (not self.method or request.method == self.method.upper())
            and re.search(self.path, request.target) is not None
            and all(re.search(value, request.header(name.lower())) for name, value in self.headers.items())
        )

    def takes(self, count: int) -> bool:
        """Return whether the `count`-th of them is one to act on."""
        if self.nth:
            return count == self.nth
        after = count - self.first
        return after >= 0 and after % self.every == 0 and (not self.last or count <= self.last)

    @abstractmethod
    def run(self, exchange: Exchange) -> None:
        """Do it, and note it.

        Raises:
            UpstreamLost: the server did not answer what had to be forwarded.
        """


class Schedule:
    """The rules of a script while it runs. Each counts the requests that it means; the first one that takes one acts."""

    def __init__(self, rules: Sequence[Rule], seed: int) -> None:
        """Begin to count."""
        self._lock = threading.Lock()
        self._rules = [(rule, random.Random(f"{seed}/{place}")) for place, rule in enumerate(rules)]  # noqa: S311
        self._counts = [0] * len(rules)

    def choose(self, exchange: Exchange) -> Rule | None:
        """Return the rule for a request, its name and its randomness written into the exchange; None: pass it on."""
        chosen: Rule | None = None
        with self._lock:
            for place, (rule, chance) in enumerate(self._rules):
                if not rule.means(exchange.request):
                    continue
                self._counts[place] += 1
                drawn = rule.takes(self._counts[place]) and chance.random() < rule.probability
                if drawn and chosen is None:
                    chosen = rule
                    exchange.rule, exchange.action = rule.name or str(place + 1), rule.kind
                    exchange.random = random.Random(chance.random())  # noqa: S311
        return chosen


def _compile(pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
