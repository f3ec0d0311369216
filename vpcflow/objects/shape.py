"""What a message or an event looks like, for errors: names of its keys, never its values."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["shape", "shown"]

_NAMES = 8
_CHARACTERS = 40


def shape(value: object) -> str:
    """Return in words what something is."""
    if isinstance(value, Mapping):
        names = [shown(name) for name in list(value)[:_NAMES]]
        more = ", …" if len(value) > _NAMES else ""
        return f"an object with {', '.join(names)}{more}" if names else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return {str: "a text", bool: "true or false", type(None): "nothing"}.get(type(value), "a number")


def shown(value: object) -> str:
    """Return a text as it is, in ASCII and not too long; of anything else its shape."""
    if not isinstance(value, str):
        return shape(value)
    text = ascii(value)
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]}…"
