"""Every metric, once: name, labels, unit, and the sentence that the documentation and the endpoint print.

Prometheus sees `vpcflow_<name>`, counters with `_total` behind it; logs and CloudWatch see the bare name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vpcflow.types import Reason

__all__ = ["ALL", "PREFIX", "Counter", "Gauge", "Histogram", "Metric", "Unit"]

PREFIX = "vpcflow_"

Unit = Literal["count", "bytes", "seconds", "milliseconds", "flag"]


@dataclass(frozen=True, slots=True)
class Counter:
    """A total that only grows while its process lives.

    values: what the label can be, where that is known; these are shown as 0 before anything happened, so that a rate sees the
        first event, too. Other values are allowed.
    """

    name: str
    sentence: str
    labels: tuple[str, ...] = ()
    unit: Unit = "count"
    values: tuple[str, ...] = ()

    @property
    def exposed(self) -> str:
        """Return the name that Prometheus sees."""
        return f"{PREFIX}{self.name}_total"


@dataclass(frozen=True, slots=True)
class Gauge:
    """A value that rises and falls. across: how the values of several processes become one."""

    name: str
    sentence: str
    labels: tuple[str, ...] = ()
    unit: Unit = "count"
    across: Literal["sum", "max", "min"] = "sum"

    @property
    def exposed(self) -> str:
        """Return the name that Prometheus sees."""
        return f"{PREFIX}{self.name}"


@dataclass(frozen=True, slots=True)
class Histogram:
    """Observations, counted by the upper bounds of their buckets; the bucket above the last bound is implied."""

    name: str
    sentence: str
    labels: tuple[str, ...] = ()
    unit: Unit = "seconds"
    buckets: tuple[float, ...] = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

    @property
    def exposed(self) -> str:
        """Return the name that Prometheus sees, without `_bucket`, `_sum`, `_count`."""
        return f"{PREFIX}{self.name}"


Metric = Counter | Gauge | Histogram

_REASONS = tuple(reason.value for reason in Reason)

# Events in.
RECORDS = Counter("records", "Records read from the transport, to their end.")
LINES = Counter(
    "lines",
    "Lines or events seen in records, by what they were: `document`, `undecodable`, `control`, `header`, `skipped` "
    "(its log group, or an event without text), `filtered`.",
    labels=("kind",),
    values=("document", "undecodable", "control", "header", "skipped", "filtered"),
)
UNDECODABLE = Counter("undecodable", "What could not be decoded, by reason.", labels=("reason",), values=_REASONS)

# Events out.
DOCUMENTS = Counter(
    "documents",
    "Documents decided, by outcome: `created`, `duplicate` (was there already: a success), `diverted` (failure store), "
    "`rejected` (dead letter).",
    labels=("outcome",),
    values=("created", "duplicate", "diverted", "rejected"),
)
REJECTED = Counter("rejected", "Documents that the engine rejected, by its error type.", labels=("error_type",))
DEAD_LETTERS = Counter(
    "dead_letters",
    "Dead letters on disk, by reason: that of the undecodable line, or `rejected`.",
    labels=("reason",),
    values=(*_REASONS, "rejected"),
)
BODY_BYTES = Counter("body_bytes", "Delivered bulk bodies, before compression.", unit="bytes")
WIRE_BYTES = Counter(
    "wire_bytes", "Bulk bodies as sent, after compression, of requests that were answered.", unit="bytes"
)

# The engine.
BULK_REQUESTS = Counter(
    "bulk_requests",
    "Bulk requests, by result: `answered`, `overloaded` (429), `unavailable`, `too_large` (413), `refused`.",
    labels=("result",),
    values=("answered", "overloaded", "unavailable", "too_large", "refused"),
)
BULK_SECONDS = Histogram("bulk_seconds", "Time of a bulk request, from send to answer or failure.")
RETRIES = Counter("retries", "Bulk bodies, or parts of them, that were sent again.")
WAIT_SECONDS = Counter("wait_seconds", "Time spent waiting for the engine between attempts.", unit="seconds")
IN_FLIGHT = Gauge("in_flight_requests", "Bulk requests without an answer yet.")
IN_FLIGHT_BYTES = Gauge(
    "in_flight_bytes", "Bodies of bulk requests without an answer yet, before compression.", unit="bytes"
)
WINDOW = Gauge("in_flight_limit", "How many bulk requests may be in flight; it adapts to the engine.")
BREAKER_OPEN = Gauge("breaker_open", "1 while the engine is away and only probed, else 0.", unit="flag", across="max")

# What waits here.
BUFFER_DOCUMENTS = Gauge("buffer_documents", "Documents that wait for company before they are sent.")
BUFFER_BYTES = Gauge("buffer_bytes", "The same, in bytes.", unit="bytes")
UNSETTLED = Gauge("unsettled_records", "Records read of which some line is not decided yet.")

# The stream.
MILLISECONDS_BEHIND_LATEST = Gauge(
    "milliseconds_behind_latest",
    "How far the shard's reader is behind the newest record, as the KCL said last, plus the time since.",
    labels=("shard",),
    unit="milliseconds",
    across="max",
)
SECONDS_UNTIL_EXPIRY = Gauge(
    "seconds_until_expiry",
    "Retention of the stream minus the age of the oldest record that is not read, or that no checkpoint covers: when this "
    "reaches 0, records are lost, those that were read with the next restart. Absent while the retention is not known.",
    labels=("shard",),
    unit="seconds",
    across="min",
)
CHECKPOINTS = Counter(
    "checkpoints",
    "Checkpoints, by result: `kept`, `throttled` (the next one covers it), `lost` (another worker has the lease).",
    labels=("result",),
    values=("kept", "throttled", "lost"),
)
CHECKPOINT_AGE_SECONDS = Gauge(
    "checkpoint_age_seconds",
    "How long records of the shard have been read or settled without a checkpoint of them; 0 when none wait.",
    labels=("shard",),
    unit="seconds",
    across="max",
)

# The Lambda of Firehose.
ANSWERS = Counter(
    "answers",
    "Records answered to Firehose, by result: `Ok`, `Dropped` (nothing in it to index), `ProcessingFailed` (kept in its error "
    "prefix).",
    labels=("result",),
    values=("Ok", "Dropped", "ProcessingFailed"),
)
REINGESTED = Counter("reingested", "Parts of records that had no room in a reply, put into the stream once more.")

# The forwarder.
ITEMS = Counter(
    "items",
    "What the forwarder's events held (messages of SQS, records of Kinesis, payloads of CloudWatch Logs, events of S3), by "
    "result: `settled`, `failed` (it comes again).",
    labels=("result",),
    values=("settled", "failed"),
)
EMPTY_ITEMS = Counter("empty_items", "Those of them with nothing in them.")
OBJECTS = Counter(
    "objects",
    "S3 objects the forwarder was told of, by result: `settled`, `skipped` (by its key), `gone` (a dead letter now); and "
    "`handed_over`, messages of which something is left for another invocation.",
    labels=("result",),
    values=("settled", "skipped", "gone", "handed_over"),
)

# The HTTP receiver of Firehose.
FIREHOSE_REQUESTS = Counter(
    "firehose_requests",
    "Requests of Firehose answered by the receiver, by result: only `settled` was answered with 200. `too_large`, `invalid`, "
    "`refused`, `storm`, `dead_letters` and `failed` need a person.",
    labels=("result",),
    values=(
        "settled",
        "unauthorized",
        "elsewhere",
        "invalid",
        "too_large",
        "busy",
        "late",
        "unavailable",
        "refused",
        "storm",
        "dead_letters",
        "failed",
        "stopping",
        "gone",
    ),
)
FIREHOSE_SECONDS = Histogram(
    "firehose_request_seconds",
    "Time of such a request, from its head to its answer.",
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 180.0),
)
FIREHOSE_IN_PROGRESS = Gauge("firehose_requests_in_progress", "Such requests that are being read or settled.")

# The consumer.
DAEMON_RESTARTS = Counter("daemon_restarts", "Starts of the KCL daemon after the first one.")
SHARDS = Gauge("shards", "Shards that this replica serves.")
READY = Gauge("ready", "1 while `/readyz` answers 200, else 0.", unit="flag", across="min")

ALL: tuple[Metric, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
