"""Functions that misbehave on purpose: records are sent to each, and what AWS did with them is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from deploy.smoke.account import Account, AwsError
from deploy.smoke.evidence import objects

__all__ = ["BEHAVIOURS", "Finding", "Probes", "Seen"]

BEHAVIOURS = ("dropped", "reversed", "unknown-id", "wrong-result", "raises", "failed", "delimited")
_RECORDS = 4
_AT_ONCE_SECONDS = 30.0
_ABOUT_SECONDS = 1.0, 5.0  # of a pause


class Finding(NamedTuple):
    """One assumption, and what was seen of it. good: None where nothing was."""

    name: str
    good: bool | None
    seen: str


@dataclass(slots=True)
class Seen:
    """Of one stream: lines delivered, blank ones too; error entries, and when their object was written."""

    lines: list[str] = field(default_factory=list)
    entries: list[Mapping[str, Any]] = field(default_factory=list)
    written: list[datetime] = field(default_factory=list)

    @property
    def records(self) -> int:
        """Return how many records ended somewhere."""
        return sum(bool(line) for line in self.lines) + len(self.entries)

    def values(self, key: str) -> set[Any]:
        """Return the different values of one key in all entries."""
        return {entry.get(key) for entry in self.entries}


class Probes:
    """The streams and the queue of one run."""

    def __init__(self, account: Account, run: str, bucket: str, queue: str, dead_queue: str) -> None:
        """Nothing is sent yet."""
        self._account, self._run, self._bucket = account, run, bucket
        self._queue, self._dead_queue = queue, dead_queue
        self.seen: dict[str, Seen] = {}
        self.dead_message = False
        self.calls_ms: list[int] = []

    def send(self) -> None:
        """Give each of them something to do."""
        data = [{"Data": f"record {number}\n".encode()} for number in range(_RECORDS)]
        for behaviour in BEHAVIOURS:
            stream = f"{self._run}-{behaviour}"
            answer = self._account.call("firehose", "PutRecordBatch", DeliveryStreamName=stream, Records=data)
            if answer.get("FailedPutCount"):
                raise AwsError(f"firehose:PutRecordBatch: {stream}: {answer['FailedPutCount']} records were not taken")
        self._account.call("sqs", "SendMessage", QueueUrl=self._queue, MessageBody="a message")

    def look(self) -> bool:
        """Look at all of it; return whether everything that should end somewhere has."""
        for behaviour in BEHAVIOURS:
            self.seen[behaviour] = self._look(behaviour)
        if not self.dead_message:
            answer = self._account.call("sqs", "ReceiveMessage", QueueUrl=self._dead_queue, WaitTimeSeconds=1)
            self.dead_message = bool(answer.get("Messages"))
        group = f"/aws/lambda/{self._run}-raises"
        answer = self._account.call("logs", "FilterLogEvents", logGroupName=group, filterPattern='"called with"')
        self.calls_ms = sorted(event["timestamp"] for event in answer.get("events", []))
        whole = all(self.seen[each].records >= _RECORDS for each in BEHAVIOURS if each != "dropped")
        return whole and self.dead_message

    def _look(self, behaviour: str) -> Seen:
        import json

        seen = Seen()
        for row, body in objects(self._account, self._bucket, f"{behaviour}/"):
            if row["Key"].startswith(f"{behaviour}/errors/"):
                seen.entries += [json.loads(line) for line in body.splitlines() if line]
                seen.written.append(row["LastModified"])
            else:
                seen.lines += body.decode().removesuffix("\n").split("\n")
        return seen

    def findings(self) -> list[Finding]:
        """Return what was seen of each assumption."""
        return [
            self._pause(),
            self._of("broken-reply", "wrong-result", "attemptsMade", 1, whole=True),
            self._of("unknown-id", "unknown-id", "errorCode", "Lambda.MissingRecordId"),
            self._of("wrong-result", "wrong-result", "errorCode", "Lambda.JsonProcessingException"),
            self._dropped(),
            self._reversed(),
            self._codes(),
            self._numbers(),
            self._key(),
            self._delimited(),
            self._at_once(),
            Finding(
                "answer-of-another-type", True if self.dead_message else None,
                "in the dead-letter queue" if self.dead_message else "not there in time",
            ),
        ]  # fmt: skip

    def _of(self, name: str, behaviour: str, key: str, wanted: object, *, whole: bool = False) -> Finding:
        seen = self.seen[behaviour]
        if not seen.entries:
            passed = sum(bool(line) for line in seen.lines)
            return Finding(name, False if passed else None, f"no error entries, {passed} of {_RECORDS} records passed")
        found = seen.values(key)
        told = f"{len(seen.entries)} of {_RECORDS} records, {key} {', '.join(sorted(map(str, found)))}"
        return Finding(name, {str(one) for one in found} == {str(wanted)} and not (whole and seen.lines), told)

    def _dropped(self) -> Finding:
        seen, others = self.seen["dropped"], any(self.seen[each].records for each in BEHAVIOURS)
        if not seen.records:
            return Finding("dropped-without-data", True if others else None, "nothing under errors/")
        return Finding("dropped-without-data", False, f"{seen.records} records, {seen.values('errorCode')}")

    def _reversed(self) -> Finding:
        seen = self.seen["reversed"]
        if not seen.records:
            return Finding("order-of-answers", None, "nothing there in time")
        lines = [line for line in seen.lines if line]
        good = sorted(lines) == [f"record {number}" for number in range(_RECORDS)] and not seen.entries
        return Finding("order-of-answers", good, f"{len(lines)} of {_RECORDS} records delivered")

    def _codes(self) -> Finding:
        found = {each: self.seen[each].values("errorCode") for each in ("raises", "failed")}
        if not all(found.values()):
            return Finding("codes-of-functions", None, "no error entries in time")
        good = found == {"raises": {"Lambda.FunctionError"}, "failed": {"Lambda.ProcessingFailedStatus"}}
        return Finding(
            "codes-of-functions", good, "; ".join(f"{each} {sorted(map(str, found[each]))}" for each in found)
        )

    def _entries(self) -> list[Mapping[str, Any]]:
        return [entry for seen in self.seen.values() for entry in seen.entries]

    def _numbers(self) -> Finding:
        kinds = {type(entry.get("attemptsMade")).__name__ for entry in self._entries()}
        return Finding(
            "numbers-in-entries", kinds == {"int"} if kinds else None, f"attemptsMade: {', '.join(kinds) or '-'}"
        )

    def _key(self) -> Finding:
        keys = {key for entry in self._entries() for key in entry if key.lower() == "lambdaarn"}
        return Finding(
            "key-of-the-function", keys == {"lambdaArn"} if self._entries() else None, ", ".join(keys) or "-"
        )

    def _delimited(self) -> Finding:
        seen = self.seen["delimited"]
        blank = sum(not line for line in seen.lines)
        if not seen.lines:
            return Finding("append-delimiter", None, "nothing there in time")
        # Of the last one's two newlines, one ends the file and is not seen as a blank line.
        return Finding("append-delimiter", blank >= _RECORDS - 1, f"{blank} blank lines after {_RECORDS} records")

    def _at_once(self) -> Finding:
        late = [
            written.timestamp() - max(int(entry["attemptEndingTimestamp"]) for entry in seen.entries) / 1000
            for seen in (self.seen["wrong-result"], self.seen["failed"])
            for written in seen.written
            if seen.entries
        ]
        if not late:
            return Finding("error-buffering", None, "no error entries in time")
        return Finding("error-buffering", max(late) <= _AT_ONCE_SECONDS, f"after {max(late):.0f} s")

    def _pause(self) -> Finding:
        gaps = [(later - earlier) / 1000 for earlier, later in pairwise(self.calls_ms)]
        if not gaps:
            return Finding("pause-between-calls", None, "the function's log has fewer than two calls")
        good = _ABOUT_SECONDS[0] / 2 <= min(gaps) and max(gaps) <= _ABOUT_SECONDS[1]
        return Finding("pause-between-calls", good, ", ".join(f"{gap:.1f} s" for gap in gaps))
