"""Inputs and outputs: which settings hold for what comes from where, and goes where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from vpcflow.settings.model import Settings

__all__ = ["DEFAULT", "Route", "Routes"]

DEFAULT = "default"  # name of the only input, or output, where none is declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One input.

    input: its name.
    match: patterns (`*`, `?`; all else stands for itself) of ARNs: of a queue, a stream, a log group, or of objects
        (`arn:aws:s3:::BUCKET/KEY`).
    settings: the base settings with those of the input, for all that is done once: reading.
    outputs: by name, the settings that hold for what comes from this input and goes to that output.
    tables: by output and `section.key`, the table such as `outputs.archive` that says what holds, where it is not the base.
    """

    input: str
    match: tuple[str, ...]
    settings: Settings
    outputs: Mapping[str, Settings]
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def path_of(self, output: str, path: str) -> str:
        """Return the whole path of a key of an output's settings; a text that begins with such a path stays behind it."""
        key = re.match(r"\w+\.\w+|", path)
        table = self.tables.get(output, {}).get(key[0] if key else "")
        return f"{table}.{path}" if table else path


class Routes:
    """All inputs, in the order of the settings file."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Keep them."""
        self._routes = tuple(routes)

    def __iter__(self) -> Iterator[Route]:
        """Iterate over the inputs."""
        return iter(self._routes)

    def __eq__(self, other: object) -> bool:
        """Compare all that is in them."""
        return isinstance(other, Routes) and other._routes == self._routes

    __hash__ = None  # type: ignore[assignment] # settings are no keys

    @property
    def declared(self) -> bool:
        """Return whether there is any input or output that says more than the base settings."""
        return any(
            route.input != DEFAULT or set(route.outputs) != {DEFAULT} or any(route.tables.values())
            for route in self._routes
        )

    def for_source(self, *arns: str) -> Route | None:
        """Return the first input one of whose patterns matches one of the ARNs; None: nobody has declared this source."""
        for route in self._routes:
            patterns = [pattern.replace("[", "[[]") for pattern in route.match]
            if any(fnmatchcase(arn, pattern) for arn in arns for pattern in patterns):
                return route
        return None

    def changed(self, change: Callable[[Settings], Settings]) -> Routes:
        """Return the same inputs and outputs with other settings."""
        return Routes(
            [
                replace(
                    route,
                    settings=change(route.settings),
                    outputs={name: change(one) for name, one in route.outputs.items()},
                )
                for route in self._routes
            ]
        )
