"""What is generated."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["GeneratorOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorOptions:
    """Shares are of all events, from 0 to 1.

    events: distinct flow-log events, the broken ones among them; planted duplicates come on top.
    start: of the first flow, seconds since 1970; flows are spread over `span_seconds`.
    columns: names of the line's columns.
    """

    events: int = 20_000
    seed: int = 7
    interfaces: int = 12
    start: int = 1_760_000_000
    span_seconds: int = 900
    columns: tuple[str, ...]
    account: str = "123456789012"
    region: str = "eu-central-1"
    log_group: str = "vpc-flow-logs"
    payload_events: int = 250
    duplicates: float = 0.01
    broken: float = 0.002
    nodata: float = 0.01
