"""The line that says how far things are, and a terminal that goes away while it is written."""

from __future__ import annotations

import io
import sys

import pytest

from vpcflow.cli.status import StatusLine
from vpcflow.clock import FakeClock


class Terminal(io.StringIO):
    """gone: whoever writes to it gets what the kernel answers then."""

    gone = False

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self.gone:
            raise OSError(5, "Input/output error")
        return super().write(text)


def test_it_is_written_and_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    status = StatusLine(FakeClock())
    status.say("half")
    status.clear()
    assert terminal.getvalue() == "\rhalf\x1b[K\r\x1b[K"


def test_a_terminal_that_goes_away_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    status = StatusLine(FakeClock())
    terminal.gone = True
    status.say("half")
    status.clear()
    assert not status.shown
