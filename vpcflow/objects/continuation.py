"""Our own message: what is left of an object, handed over to another invocation."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from vpcflow.objects.reference import ObjectRef, Resume

__all__ = ["CONTINUATION", "continuation_body", "continued"]

CONTINUATION = "vpcflow.continue"
_VERSION = 1


def continuation_body(ref: ObjectRef) -> str:
    """Return the message that makes somebody else go on with an object. Raises ValueError for one without a resume."""
    if ref.resume is None:
        raise ValueError(f"{ref.url}: nothing says where to go on")
    resume = ref.resume
    content: dict[str, object] = {
        "version": _VERSION,
        "bucket": ref.bucket,
        "key": ref.key,
        "etag": resume.etag,
        "line": resume.line,
        "row_group": resume.row_group,
        "hops": resume.hops,
    }
    known = {
        "version_id": ref.version_id,
        "region": ref.region,
        "size": ref.size,
        "event_time_ms": ref.event_time_ms,
    }
    content |= {name: value for name, value in known.items() if value is not None and value != ""}
    return orjson.dumps({CONTINUATION: content}).decode()


def continued(content: object) -> ObjectRef:
    """Return the reference of a continuation. Raises ValueError that says what is wrong with it."""
    if not isinstance(content, Mapping):
        raise ValueError("no object in it")  # noqa: TRY004 - it is about a message, not about our caller
    if content.get("version") != _VERSION:
        raise ValueError("written by another version of this program; let that one finish it")
    return ObjectRef(
        bucket=_text(content, "bucket"),
        key=_text(content, "key"),
        etag=_text(content, "etag", ""),
        version_id=_text(content, "version_id", ""),
        region=_text(content, "region", ""),
        size=_number(content, "size", None),
        event_time_ms=_number(content, "event_time_ms", None),
        resume=Resume(
            etag=_text(content, "etag", ""),
            line=_number(content, "line", -1) or 0,
            row_group=_number(content, "row_group", 0) or 0,
            hops=_number(content, "hops", -1) or 0,
        ),
    )


def _text(content: Mapping[str, object], name: str, default: str | None = None) -> str:
    found = content.get(name, default)
    if not isinstance(found, str) or (default is None and not found):
        raise ValueError(f"no text for {name}")
    return found


def _number(content: Mapping[str, object], name: str, default: int | None) -> int | None:
    """Return a number of 0 or more. default: where it is not told; -1: it must be."""
    found = content.get(name, default)
    if found is None:
        return None
    if type(found) is not int or found < 0:
        raise ValueError(f"no number for {name}")
    return found
