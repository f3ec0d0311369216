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

__all__ = ["NAMES_OBJECT", "Opened", "Opens", "damage_letter", "is_named", "named_object", "object_letter"]

NAMES_OBJECT = "names_object"  # in a context: `raw` is our continuation message


class Opened(Protocol):
    """An object that is being read."""

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
    """Return the object. Raises NotificationError for a letter that somebody else has written."""
    named = references(letter.raw)
    if len(named) != 1:
        raise NotificationError(f"a letter that names {len(named)} objects, not one")
    return named[0]


def damage_letter(damage: Damage, origin: Origin, *, first_seen_ms: int, attempts: int = 1) -> DeadLetter:
    """Return the dead letter of a part of an object that cannot be read."""
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
    )
