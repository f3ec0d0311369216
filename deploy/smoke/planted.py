"""What a run sends: known flow logs, by way of CloudWatch Logs and as objects in S3, each with its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from vpcflow.generate import FORMATS, Event, Generator, GeneratorOptions, Manifest

__all__ = ["Planted"]

_SPAN_SECONDS = 900  # far below the 24 hours that one PutLogEvents may span
_PAST_SECONDS = 60
_BROKEN, _SILENT = 0.05, 0.02
_FILES = 4
_HARD_KEY = "a key with + and ä"  # S3 writes keys in notifications as forms do


@dataclass(slots=True)
class Planted:
    """events: of the log group, by log stream, in order of time. files: key and gzip text.

    Twice the same number of events with different seeds, so that no line of the one is one of the other.
    """

    events: dict[str, list[Event]] = field(default_factory=dict)
    logs: Manifest = field(default_factory=Manifest)
    files: list[tuple[str, bytes]] = field(default_factory=list)
    objects: Manifest = field(default_factory=Manifest)

    @classmethod
    def made(cls, *, events: int, now_ms: int, account: str, region: str, seed: int) -> Planted:
        """Return flows of the last quarter of an hour."""
        start = now_ms // 1000 - _SPAN_SECONDS - _PAST_SECONDS
        log, files = (
            Generator(
                GeneratorOptions(
                    events=events, seed=seed + more, interfaces=8, start=start, span_seconds=_SPAN_SECONDS,
                    columns=FORMATS["v2"], account=account, region=region, duplicates=0, broken=_BROKEN, nodata=_SILENT,
                )
            )
            for more in (0, 1)
        )  # fmt: skip
        made = cls(logs=log.manifest, objects=files.manifest)
        for event in log.events():
            made.events.setdefault(f"{event.interface}-all", []).append(event)
        made.files = list(_hard(files.s3_files(lines_each=-(-events // _FILES))))
        return made


def _hard(files: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """Give the first one a key with everything in it that must be written differently in a notification."""
    for number, (key, data) in enumerate(files):
        yield (key if number else key.replace("_fl-", f"_{_HARD_KEY}_fl-", 1)), data
