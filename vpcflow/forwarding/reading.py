"""Objects as runs of lines, read as the settings of an input say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from vpcflow.clock import Clock
from vpcflow.codec.origins import s3_origin
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.forwarding.work import Run
from vpcflow.objects.block import Block, Damage
from vpcflow.objects.failures import ObjectGone
from vpcflow.objects.keys import facts, wanted
from vpcflow.objects.reading import Bounds, OpenObject, open_object
from vpcflow.objects.reference import ObjectRef
from vpcflow.replay.named import damage_letter, object_letter
from vpcflow.settings.model import Limits, Objects
from vpcflow.types import LinesAt

__all__ = ["Reader", "Reading"]

_GONE = "object"  # reason of a dead letter that names an object


class Reader:
    """Opens objects for `vpcflow.forwarding.work`."""

    def __init__(
        self,
        s3: Callable[[str], Any],
        objects: Objects,
        limits: Limits,
        clock: Clock,
        *,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Keep the parts; nothing is asked.

        Args:
            s3: gives the client for a region, '' where it is not known.
            objects: which are read, and how.
            limits: of a line.
            clock: for waits and for the time a dead letter was first seen.
            should_stop: asked while S3 is waited for, and while an object is read.
        """
        self._s3 = s3
        self._objects = objects
        self._clock = clock
        self._should_stop = should_stop
        self._bounds = Bounds(
            block_bytes=objects.block_bytes,
            max_line_bytes=limits.max_line_bytes,
            max_inflated_bytes=objects.max_inflated_bytes,
            max_row_group_bytes=objects.max_row_group_bytes,
            attempts=objects.attempts,
        )

    def wanted(self, ref: ObjectRef) -> bool:
        """Return whether its key is asked for; folders are not."""
        return wanted(ref.key, self._objects.include_keys, self._objects.exclude_keys)

    @contextmanager
    def open(self, ref: ObjectRef) -> Iterator[Reading]:
        """Open it. Raises ObjectError."""
        opened = open_object(
            self._s3(self._objects.region or ref.region),
            ref,
            bounds=self._bounds,
            clock=self._clock,
            should_stop=self._should_stop,
        )
        with opened:
            yield Reading(opened, ref, self._clock)

    def gone(self, ref: ObjectRef, error: Exception) -> DeadLetter | None:
        """Return a dead letter that names an object which is not there any more, for ObjectGone."""
        if not isinstance(error, ObjectGone):
            return None
        return object_letter(ref, reason=_GONE, message=str(error), first_seen_ms=self._clock.wall_ms())


class Reading:
    """One object that is open."""

    def __init__(self, opened: OpenObject, ref: ObjectRef, clock: Clock) -> None:
        """Keep the parts."""
        self._opened = opened
        self._clock = clock
        self.ref = ref
        self.etag = opened.etag
        key = facts(ref.key)
        # All of it out of the object itself: a document is the same whoever told of the object, and how.
        self.origin = s3_origin(
            bucket=ref.bucket, key=ref.key, etag=opened.etag, region=key.region, time_ms=key.time_ms
        )

    def parts(self) -> Iterator[Block | Damage]:
        """Yield what it holds, from the reference's resume position on."""
        return self._opened.blocks()

    def runs(self) -> Iterator[Run]:
        """Yield the same as runs of lines, and damage as dead letters."""
        for one in self.parts():
            if isinstance(one, Block):
                yield Run(data=one.data, at=one.at, lines=one.lines, row_group=one.row_group)
            else:
                letter = damage_letter(one, self, first_seen_ms=self._clock.wall_ms())
                at = LinesAt(position=one.position)
                yield Run(at=at, lines=one.lines, row_group=one.row_group, letter=letter)
