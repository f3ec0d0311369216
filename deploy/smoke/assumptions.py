"""What AWS does not say and we take for granted, one by one; how a smoke run looks whether it is so.

A pure table. docs/smoke.md shows it; a test holds it against the tables of the emulators, so that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["ASSUMPTIONS", "Assumption", "listed", "table"]

FIREHOSE, SOURCES, LOGS, CONSUMER, OBJECTS = (
    "tests/firehose", "tests/eventsources", "subscriptions", "consumer", "forwarder",
)  # fmt: skip


class Assumption(NamedTuple):
    """name: for people and for the run's report. confirmed: how; "" where this run cannot. otherwise: how else."""

    name: str
    where: str
    what: str
    assumed: str
    confirmed: str = ""
    otherwise: str = ""


def _not(name: str, where: str, what: str, assumed: str, otherwise: str) -> Assumption:
    return Assumption(name, where, what, assumed, "", otherwise)


_LOAD = "needs some MB of records in one buffer"
_HTTP = "needs an HTTP endpoint of one's own that fails in this way"
_OPENSEARCH = "needs an OpenSearch Service domain; see deploy/firehose/to-opensearch.yaml"
_OUTAGE = "needs a function that fails for as long as that takes"

ASSUMPTIONS = (
    _not("processor-buffer", FIREHOSE, "Processor buffer", "up to its hint; with `overshoot` one record more", _LOAD),
    _not("buffer-unit", FIREHOSE, "MB of a buffer hint", "MiB", _LOAD),
    Assumption(
        "pause-between-calls", FIREHOSE, "Between two calls of the function", "1 s",
        "stream `raises`: times of its calls, in the function's log",
    ),
    Assumption(
        "broken-reply", FIREHOSE, "A reply that breaks the contract", "fails the whole batch, is not tried again",
        "stream `wrong-result`: all records under errors/, `attemptsMade` 1",
    ),
    Assumption(
        "unknown-id", FIREHOSE, "An id that was never sent", "`Lambda.MissingRecordId`",
        "stream `unknown-id`: `errorCode` of its entries",
    ),
    Assumption(
        "wrong-result", FIREHOSE, "Wrong result, bad base64, rows of another shape", "`Lambda.JsonProcessingException`",
        "stream `wrong-result`: `errorCode` of its entries (of a wrong result only)",
    ),
    Assumption(
        "dropped-without-data", FIREHOSE, "`Dropped` without data", "is taken",
        "stream `dropped`: nothing delivered, nothing under errors/",
    ),
    Assumption(
        "order-of-answers", FIREHOSE, "Order of answers", "is free", "stream `reversed`: each record delivered once",
    ),
    Assumption(
        "codes-of-functions", FIREHOSE,
        "`Lambda.FunctionError`, `Lambda.FunctionTimedOut`, `Lambda.ProcessingFailedStatus` and their texts",
        "as in error prefixes of real streams",
        "streams `raises` and `failed`: `errorCode` of their entries (a timeout is not tried)",
    ),
    _not("event-over-6-MB", FIREHOSE, "An event over 6 MB", "counts as a failed call, `Lambda.InvokeFailed`", _LOAD),
    Assumption(
        "numbers-in-entries", FIREHOSE, "Numbers in error entries", "are numbers", "all streams: `attemptsMade` is no text",
    ),
    Assumption(
        "key-of-the-function", FIREHOSE, "`lambdaArn`", "as on the page", "all streams: an entry has that key",
    ),
    _not(
        "raw-data", FIREHOSE, "`rawData` of a failed delivery",
        "what the function gave; what came in, when it failed in decompression or partitioning",
        "needs a delivery that fails after the function",
    ),
    _not(
        "decompression-failed", FIREHOSE, "`decompression-failed/`", "lines of JSON like other errors",
        "a stream with Decompression, fed by something else than CloudWatch Logs, answers InvalidSourceException",
    ),
    _not(
        "message-extraction", FIREHOSE, "Message extraction",
        "a line each, in one record; text of control messages passes", "a third subscription: a log group has two",
    ),
    Assumption(
        "append-delimiter", FIREHOSE, "`AppendDelimiterToRecord`", "adds a newline, whether or not there is one",
        "stream `delimited`: blank lines in what was delivered",
    ),
    Assumption(
        "error-buffering", FIREHOSE, "Error entries", "are written at once",
        "streams `wrong-result` and `failed`: the object is at most 30 s younger than the last attempt in it",
    ),
    _not(
        "http-counter", FIREHOSE, "HTTP retry counter",
        "starts at the first failure; no attempt whose moment lies past it", _HTTP,
    ),
    _not("http-jitter", FIREHOSE, "Jitter of HTTP retries", "applied after the cap of 120 s", _HTTP),
    _not(
        "http-codes", FIREHOSE, "Codes of an endpoint that is away, or answers in another form",
        "`HttpEndpoint.ConnectionFailed`, `HttpEndpoint.InvalidResponseFromDestination`", _HTTP,
    ),
    _not("http-timestamp", FIREHOSE, "`timestamp` in an endpoint's response", "an integer", _HTTP),
    _not(
        "opensearch-items", FIREHOSE, "OpenSearch",
        "a bad record fails alone; 429 and 5xx of an item are tried again as for HTTP; one newline at the end passes",
        _OPENSEARCH,
    ),
    _not("opensearch-ids", FIREHOSE, "OpenSearch document ids", "`<recordId>.0`", _OPENSEARCH),
    _not(
        "partition-key", FIREHOSE, "A record without its partition key",
        "`dynamic-partitioning-failed/`, with a code of ours", "needs a stream with dynamic partitioning",
    ),
    Assumption(
        "answer-of-another-type", SOURCES, "An answer that is no object; a list, or an entry, of another type",
        "fails the whole batch", "queue `answer`: its message comes to the dead-letter queue (a list; SQS only)",
    ),
    _not(
        "kinesis-identifier", SOURCES, "Kinesis: an identifier of nothing in the batch", "fails the whole batch",
        "needs a Kinesis mapping with such a function",
    ),
    _not("poller", SOURCES, "The poller of a queue whose function fails", "takes the next messages at once", _OUTAGE),
    _not(
        "waits", SOURCES, "Waits between tries of a throttled batch, and of a Kinesis batch that failed",
        "1 s, doubled, 5 min at most", _OUTAGE,
    ),
    _not(
        "old-receipt", SOURCES, "A receipt that is not the latest", "deletes nothing",
        "AWS leaves it open: one look would prove nothing",
    ),
    _not(
        "order-of-messages", SOURCES, "A standard queue", "gives messages in any order",
        "AWS leaves it open: one look would prove nothing",
    ),
    _not(
        "retry-after-progress", SOURCES, "A Kinesis batch that fails after progress", "uses up a retry",
        "needs a Kinesis mapping with such a function",
    ),
    _not(
        "expired-records", SOURCES, "Kinesis records that left the stream while their batch was tried again",
        "are lost, also with a destination", "takes 24 hours",
    ),
    _not("never-called", SOURCES, "A record of something that was never called", "has no response in it", _OUTAGE),
    _not("payload", SOURCES, "`payload` of a Kinesis record in S3", "text; an object is tried, too", _OUTAGE),
    _not(
        "too-old", SOURCES, "An asynchronous event that is too old",
        "is given up when it would be tried, also between two tries of a function that fails", _OUTAGE,
    ),
    _not("request-id", SOURCES, "The id of a request", "is the same in each try", _OUTAGE),
    Assumption(
        "subscription-records", LOGS, "What CloudWatch Logs puts into a stream",
        "gzip of one JSON object with messageType and logEvents", "Kinesis: each record is read by that, without our codec",
    ),
    Assumption(
        "control-message", LOGS, "A new subscription", "sends a CONTROL_MESSAGE first", "Kinesis: one is there",
    ),
    Assumption(
        "event-ids", LOGS, "The id of a log event", "is the same in both subscriptions of a log group",
        "Kinesis and S3: the ids made of it agree",
    ),
    _not(
        "log-stream-names", LOGS, "The log stream of a flow log", "`eni-…-all`, `-accept` or `-reject`",
        "needs a flow log of a VPC with traffic; nothing of ours depends on it",
    ),
    Assumption(
        "keys-in-notifications", OBJECTS, "Keys in S3 notifications", "are quoted as in forms: `+` for a space",
        "with --target: documents of an object whose key has spaces, a plus and an ä",
    ),
    _not(
        "keys-in-eventbridge", OBJECTS, "Keys in EventBridge's events", "are not quoted",
        "deploy the forwarder with Notifications eventbridge and put an object with such a key",
    ),
    _not(
        "take-over", CONSUMER, "Time until another worker has the leases of one that died",
        "about as with DynamoDB Local: up to 150 s if it was the leader", "run the consumer, see docs/operations.md",
    ),
    _not(
        "idle-shards", CONSUMER, "Leases of shards without records", "may be spread unevenly",
        "run the consumer with more workers than one",
    ),
)  # fmt: skip


def table() -> str:
    """Return it as Markdown, for docs/smoke.md."""
    rows = ["| Name | Where it matters | What | We assume | This run |", "|---|---|---|---|---|"]
    for one in ASSUMPTIONS:
        how = one.confirmed or f"cannot confirm it: {one.otherwise}"
        rows.append(f"| `{one.name}` | {one.where} | {one.what} | {one.assumed} | {how} |")
    return "\n".join(rows)


def listed(*, target: bool, probes: bool) -> Iterator[str]:
    """Yield a line for each that a run would look at, and how many it cannot."""
    mine = [one for one in ASSUMPTIONS if one.confirmed and within(one, target=target, probes=probes)]
    for one in mine:
        yield f"{one.name}: {one.what}: {one.assumed}. How: {one.confirmed}"
    yield f"{len(ASSUMPTIONS) - len(mine)} more cannot be confirmed by this run: docs/smoke.md"


def within(one: Assumption, *, target: bool, probes: bool) -> bool:
    """Return whether a run that has these parts looks at it."""
    return {LOGS: True, OBJECTS: target, CONSUMER: False}.get(one.where, probes)
