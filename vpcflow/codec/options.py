"""What a decoder is told once: the document's shape, the formats of its sources, the caps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the names need the document, which needs the options
    from vpcflow.codec.labels import Labels

__all__ = ["CodecOptions", "FormatRule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatRule:
    """The line format of the sources that match all three patterns (`*`, `?`)."""

    format: str | tuple[str, ...]
    log_group: str = "*"
    log_stream: str = "*"
    source: str = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecOptions:
    """Options of a decoder. Bytes and days; a cap of 0 days switches that side of the time window off.

    event_id: put the `_id` into the document, too, as `event.id`: for targets that make ids of their own.
    include, exclude: expressions, see `vpcflow.codec.filters`. labels: names for the documents. internal_cidrs: what is
        inside, for filters and for `network.direction`; none: nothing is said about it.
    ids: False leaves `_id` out of action lines, for targets that take none: what is sent again is there twice.
    """

    shape: Literal["ecs", "raw"] = "ecs"
    event_original: bool = False
    namespace: str = "default"
    tags: tuple[str, ...] = ("forwarded", "aws-vpcflow")
    formats: tuple[FormatRule, ...] = ()
    include_log_groups: tuple[str, ...] = ("*",)
    exclude_log_groups: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    labels: Labels | None = None
    internal_cidrs: tuple[str, ...] = ()
    index_mode: Literal["data_stream", "pattern"] = "data_stream"
    index_name: str = ""
    ids: bool = True
    event_id: bool = False
    max_inflated_bytes: int = 128_000_000
    max_line_bytes: int = 65_536
    time_past_days: float = 400.0
    time_future_days: float = 1.0

    @property
    def target(self) -> str:
        """Return the data stream, or the pattern of index names."""
        default = (
            f"logs-aws.vpcflow-{self.namespace}"
            if self.index_mode == "data_stream"
            else "logs-aws.vpcflow-{yyyy.MM.dd}"
        )
        return self.index_name or default
