"""Bodies of `_bulk`, taken apart and put together: requests by their items, answers by theirs, compressed or not."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vpcflow.faults.messages import Request, Response

__all__ = ["BulkItem", "answered", "items_of", "plain", "with_items"]

_ONE_LINE = {"delete"}


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One action of a request: its operation, and its line or lines."""

    operation: str
    lines: bytes


def plain(message: Request | Response) -> bytes:
    """Return the body, inflated where it is gzip.

    Raises:
        ValueError: compressed in another way, or damaged.
    """
    encoding = message.header("content-encoding").lower()
    if encoding in {"", "identity"}:
        return message.body
    if encoding != "gzip":
        raise ValueError(f"bodies with the encoding {encoding} are not understood")
    try:
        return gzip.decompress(message.body)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"damaged gzip: {error}") from error


def packed(message: Request | Response, body: bytes) -> bytes:
    """Return a body in the encoding of the message that it replaces."""
    return gzip.compress(body, 1) if message.header("content-encoding").lower() == "gzip" else body


def items_of(request: Request) -> list[BulkItem]:
    """Return the items of a bulk request.

    Raises:
        ValueError: not a body of `_bulk`.
    """
    lines = iter(plain(request).splitlines(keepends=True))
    found: list[BulkItem] = []
    for line in lines:
        if not line.strip():
            continue
        action = json.loads(line)
        if not isinstance(action, dict) or len(action) != 1:
            raise ValueError("an action line that holds no action")
        (operation,) = action
        found.append(BulkItem(operation, line if operation in _ONE_LINE else line + next(lines, b"")))
    return found


def with_items(request: Request, items: Sequence[BulkItem]) -> bytes:
    """Return a body that holds these items, in the encoding of the request."""
    return packed(request, b"".join(item.lines for item in items))


def answered(response: Response) -> dict[str, Any] | None:
    """Return an answer to `_bulk` that was taken as a whole; None for any other."""
    try:
        body = json.loads(plain(response)) if response.status == 200 else None  # noqa: PLR2004
    except ValueError:
        return None
    return body if isinstance(body, dict) and isinstance(body.get("items"), list) else None
