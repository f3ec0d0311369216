"""What the settings say about answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vpcflow.settings.model import Settings

__all__ = ["Mode", "Rules", "rules_of"]

Mode = Literal["documents", "bulk", "document", "deliver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """See `vpcflow.settings.model.Firehose`.

    no_reingestion: why nothing may be put into the stream once more; '' where it may.
    max_inflated_bytes: what a record may expand to.
    max_bad_lines: a record with more of them fails as a whole, whatever `keep_good` says.
    """

    mode: Mode = "documents"
    keep_good: bool = False
    no_reingestion: str = ""
    max_hops: int = 3
    max_reply_bytes: int = 5_000_000
    partition_keys: Sequence[str] = ()
    max_inflated_bytes: int = 128_000_000
    max_bad_lines: int = 1_000


def rules_of(settings: Settings) -> Rules:
    """Return the rules."""
    firehose = settings.firehose
    reason = "firehose.reingest is off" if firehose.reingest == "off" else ""
    if firehose.decompression:  # PutRecordBatch answers InvalidSourceException
        reason = "Firehose's decompression is on (firehose.decompression)"
    return Rules(
        mode=firehose.mode,
        keep_good=firehose.partial == "keep_good",
        no_reingestion=reason,
        max_hops=firehose.max_hops,
        max_reply_bytes=firehose.max_reply_bytes,
        partition_keys=tuple(firehose.partition_keys),
        max_inflated_bytes=settings.limits.max_inflated_bytes,
        max_bad_lines=settings.limits.storm_window,
    )
