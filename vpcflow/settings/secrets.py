"""Values that must not be printed."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Secret"]


class Secret:
    """A string that shows itself as `***`. `reveal()` gives it out; only a client's constructor should ask."""

    __slots__ = ("_file", "_value")

    def __init__(self, value: str, *, file: Path | None = None) -> None:
        """Keep the value out of sight; `file`: where it was read."""
        self._value = value
        self._file = file

    @classmethod
    def of_file(cls, path: Path) -> Secret:
        """Return a file's text without the white space around it.

        Raises:
            OSError, UnicodeDecodeError: the file cannot be read.
        """
        return cls(path.read_text(encoding="utf-8").strip(), file=path)

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def current(self) -> Secret:
        """Return what the file holds by now, for secrets that are rotated there; any other secret as it is."""
        if self._file is None:
            return self
        try:
            return Secret.of_file(self._file)
        except (
            OSError,
            UnicodeDecodeError,
        ):  # half-way through its rotation: the old one, which is refused if it is dead
            return self

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
