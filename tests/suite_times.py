"""How long each suite took: a folder below tests/ is one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

__all__ = ["SuiteTimes"]


class SuiteTimes:
    """A plugin of pytest. With workers the seconds of a suite add up, so they are more than went by."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()
        self._tests: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = "/".join(report.nodeid.partition("::")[0].split("/")[:-1][:2])
        self._seconds[name] += report.duration
        self._tests[name] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if len(self._seconds) < 2:
            return
        terminalreporter.section("seconds of each suite", sep="=")
        for name, seconds in self._seconds.most_common():
            terminalreporter.write_line(f"{seconds:8.1f} s  {name}  {self._tests[name]} tests")
