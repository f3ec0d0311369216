"""Dead letters that name an S3 object instead of holding its lines: they are read from S3 when they are tried again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Protocol

from vpcflow.deadletters.entry import DeadLetter
from vpcflow.objects.block import Block, Damage
from vpcflow.objects.continuation import continuation_body
from vpcflow.objects.notification import NotificationError, references
from vpcflow.objects.reference import ObjectRef, Resume
from vpcflow.types import Origin

__all__ = [
    "NAMES_OBJECT",
    "Opened",
    "Opens",
    "damage_letter",
    "is_named",
    "named_object",
    "named_parts",
    "object_letter",
]

NAMES_OBJECT = "names_object"  # in a context: our continuation message; 1: that is what `raw` is
_LINES = "lines"  # in such a context: how many of its lines are meant; without it all to the end


class Opened(Protocol):
    """An object that is being read."""

    @property
    def ref(self) -> ObjectRef:
        """Return the reference."""
        ...

    @property
    def etag(self) -> str:
        """Return the ETag of what is read, without quotes."""
        ...

    @property
    def origin(self) -> Origin:
        """Return what the codec is told."""
        ...

    def parts(self) -> Iterator[Block | Damage]:
        """Yield its lines, and what of it cannot be read."""
        ...


class Opens(Protocol):
    """Opens objects: `vpcflow.forwarding.reading.Reader.open`."""

    def __call__(self, ref: ObjectRef) -> AbstractContextManager[Opened]:
        """Open one. Errors are VpcFlowErrors of one line."""
        ...


def object_letter(ref: ObjectRef, *, reason: str, message: str, first_seen_ms: int, attempts: int = 1) -> DeadLetter:
    """Return a dead letter that names an object."""
    whole = ref if ref.resume else replace(ref, resume=Resume(etag=ref.etag, line=0, hops=0))
    return DeadLetter(
        reason=reason,
        message=message,
        raw=continuation_body(whole).encode(),
        source=f"s3:{ref.bucket}/{ref.key}",
        position=-1,
        first_seen_ms=first_seen_ms,
        attempts=attempts,
        identity={"aws.s3.bucket.name": ref.bucket, "aws.s3.object.key": ref.key},
        origin=Origin(name=f"s3:{ref.bucket}/{ref.key}"),
        context={NAMES_OBJECT: 1},
    )


def is_named(letter: DeadLetter) -> bool:
    """Return whether a letter names an object."""
    return bool(letter.context.get(NAMES_OBJECT))


def named_object(letter: DeadLetter) -> ObjectRef:
    """Return the object, and where to go on in it. Raises NotificationError for a letter that somebody else has written."""
    told = letter.context[NAMES_OBJECT]
    named = references(told if isinstance(told, str) else letter.raw)
    if len(named) != 1:
        raise NotificationError(f"a letter that names {len(named)} objects, not one")
    return named[0]


def damage_letter(damage: Damage, opened: Opened, *, first_seen_ms: int, attempts: int = 1) -> DeadLetter:
    """Return the dead letter of a part of an object that cannot be read.

    It holds what was there, for people; and where that stands, for a replay: a piece of a line must never pass for a line, and
    what a limit has cut off is all in the object still.
    """
    origin, ref = opened.origin, opened.ref
    here = Resume(etag=opened.etag, line=damage.position, row_group=damage.row_group, hops=0)
    is_between = damage.position > 0 and damage.offset is None  # a row group: those after it were read
    place = ObjectRef(bucket=ref.bucket, key=ref.key, version_id=ref.version_id, region=ref.region, resume=here)
    return DeadLetter(
        reason=damage.reason.value,
        message=damage.message,
        raw=damage.raw,
        source=origin.name,
        position=damage.position,
        first_seen_ms=first_seen_ms,
        attempts=attempts,
        identity=dict(origin.fields),
        origin=origin,
        context={NAMES_OBJECT: continuation_body(place)} | ({_LINES: damage.lines} if is_between else {}),
    )


def named_parts(letter: DeadLetter, ref: ObjectRef, opened: Opened) -> Iterator[Block | Damage]:
    """Yield what a letter stands for: all of the object from its place on; or some lines in the midst of it.

    Of an object that was overwritten since then, all.
    """
    count = letter.context.get(_LINES)
    if count is None or ref.resume is None or opened.etag != ref.resume.etag:
        yield from opened.parts()
        return
    for part in opened.parts():
        if _position(part) >= ref.resume.line + int(count):
            return
        yield part


def _position(part: Block | Damage) -> int:
    return part.at.position if isinstance(part, Block) else part.position
