"""Values that must not be printed, and the places they are kept in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from vpcflow.clock import Clock, SystemClock
from vpcflow.logs import get_logger

__all__ = ["Place", "Secret", "SecretError"]

log = get_logger(__name__)


class SecretError(Exception):
    """A secret could not be read. `str()` is the end of a sentence that names the key; it never holds the value."""


class Place:
    """Where a secret is kept, and what it was when it was read last. Called by several threads."""

    def __init__(self, read: Callable[[], str], *, pause_seconds: float = 0.0, clock: Clock | None = None) -> None:
        """Read for the first time.

        Args:
            read: returns the value, or raises SecretError.
            pause_seconds: how long a value that was read again counts as fresh. A service that is paid by the request must not
                be asked by every request that a dead password fails.
            clock: for the pause.

        Raises:
            SecretError: from `read`.
        """
        self._read = read
        self._pause_seconds = pause_seconds
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._fresh_until: float | None = None
        self.value = read()

    def again(self) -> str:
        """Return the value as it is by now; what was read last, where that is fresh or it cannot be read."""
        with self._lock:
            now = self._clock.monotonic()
            if self._fresh_until is not None and now < self._fresh_until:
                return self.value
            self._fresh_until = now + self._pause_seconds
            try:
                self.value = self._read() or self.value
            except SecretError as error:  # half-way through its rotation: the old one, which is refused if it is dead
                log.warning("secret not read again", extra={"fields": {"reason": str(error)}})
            return self.value


class Secret:
    """A string that shows itself as `***`. `reveal()` gives it out; only a client's constructor should ask."""

    __slots__ = ("_place", "_value")

    def __init__(self, value: str, *, place: Place | None = None) -> None:
        """Keep the value out of sight; `place`: where it was read."""
        self._value = value
        self._place = place

    @classmethod
    def kept(cls, place: Place) -> Secret:
        """Return what was read there last."""
        return cls(place.value, place=place)

    @classmethod
    def of_file(cls, path: Path) -> Secret:
        """Return a file's text without the white space around it.

        Raises:
            SecretError: the file cannot be read.
        """
        return cls.kept(Place(lambda: _file(path)))

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def current(self) -> Secret:
        """Return what its place holds by now, for secrets that are rotated there; any other secret as it is."""
        return self if self._place is None else Secret(self._place.again(), place=self._place)

    def __bool__(self) -> bool:
        """Return whether there is one at all."""
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Compare values."""
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        """Hash the value."""
        return hash(self._value)

    def __repr__(self) -> str:
        """Hide it."""
        return "Secret('***')" if self._value else "Secret('')"

    __str__ = __repr__


def _file(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise SecretError(f"the file that it names is no UTF-8 text: {path}") from error
    except OSError as error:
        raise SecretError(f"the file that it names cannot be read: {path}: {error.strerror}") from error
