"""Values that must not be printed."""

from __future__ import annotations

__all__ = ["Secret"]


class Secret:
    """A string that shows itself as `***`. `reveal()` gives it out; only a client's constructor should ask."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Keep the value out of sight."""
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

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
