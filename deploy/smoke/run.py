"""The run: what is done, step by step, and that everything is taken away in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.smoke import cost
from deploy.smoke.account import Account, AwsError
from deploy.smoke.assumptions import ASSUMPTIONS, listed, within
from deploy.smoke.evidence import Delivered, Streamed, Target
from deploy.smoke.patience import Patience
from deploy.smoke.planted import Planted
from deploy.smoke.probes import Finding, Probes
from deploy.smoke.stack import SmokeStack
from vpcflow.demo.proof import Verdict, verdicts
from vpcflow.errors import EX_DATAERR, EX_OK, EX_SOFTWARE

__all__ = ["Choices", "Engine", "Run"]

_SETTLE_SECONDS = 60  # a new subscription filter does not pass everything on at once
_PUT_AT_ONCE = 1000  # events in a PutLogEvents: far below its 10,000 and 1 MiB
_FLOWS = ("Firehose to S3", "Kinesis")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """events: into the log group, and as many as objects. minutes: that documents may take. keep: take nothing away.

    more: options that are wanted again to take it away later.
    """

    run: str
    events: int = 400
    minutes: float = 15
    architecture: str = "arm64"
    probes: bool = True
    keep: bool = False
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A search engine that the functions in AWS can reach, and we. reach: returns its documents of a bucket."""

    parameters: Mapping[str, str]
    index: str
    reach: Callable[[str], Target]


class Run:
    """One smoke run. `go` always ends with nothing left in AWS, or with the names of what is."""

    def __init__(
        self,
        choices: Choices,
        account: Account,
        patience: Patience,
        *,
        say: Callable[[str], None],
        pack: Callable[[str], Mapping[str, Path]],
        engine: Engine | None = None,
    ) -> None:
        """Nothing is done yet.

        Args:
            choices: how.
            account: where.
            patience: waits.
            say: gets the report, a line at a time.
            pack: makes the zip files for an architecture, by their key in the bucket.
            engine: where the forwarder writes; None: no forwarder.
        """
        self._choices, self._account, self._patience = choices, account, patience
        self._say, self._pack, self._engine = say, pack, engine
        self._stack = SmokeStack(account, patience, choices.run)
        self._target: Target | None = None
        self._findings: list[Finding] = []
        self._bad = 0

    def go(self) -> int:
        """Do all of it; return the exit code. What is raised is raised after everything was taken away."""
        code = EX_SOFTWARE
        self._step("who are we")
        account_id = self._account.call("sts", "GetCallerIdentity")["Account"]
        try:  # until here there was nothing to take away
            self._all(account_id)
            code = self._verdict()
        finally:
            left = self.clear_away()
        return EX_SOFTWARE if left and code == EX_OK else code

    def _all(self, account_id: str) -> None:
        choices = self._choices
        self._stack.name_bucket(account_id)
        self._step("the zip files, and a bucket for them and the templates")
        self._stack.upload(self._pack(choices.architecture))
        self._step("the stack: log group, subscriptions, streams, functions, buckets, queues")
        parameters = {"Architecture": choices.architecture, "Probes": str(choices.probes).lower()}
        outputs = self._stack.make({**parameters, **(self._engine.parameters if self._engine else {})})
        planted = Planted.made(
            events=choices.events,
            now_ms=self._patience.clock.wall_ms() + _SETTLE_SECONDS * 1000,
            account=account_id,
            region=self._account.region,
            seed=int(choices.run.rpartition("-")[2], 16),
        )
        self._patience.wait("the subscriptions to settle", _SETTLE_SECONDS)
        probes = self._send(planted, outputs)
        self._look(planted, outputs)
        if probes:
            self._step("what AWS did with functions that misbehave")
            self._patience.until("what AWS does with functions that misbehave", probes.look, minutes=choices.minutes)
            self._findings += [] if self._account.rehearsing else probes.findings()

    def _send(self, planted: Planted, outputs: Mapping[str, str]) -> Probes | None:
        call, group = self._account.call, outputs["LogGroupName"]
        self._step(f"{self._choices.events} known flow logs into the log group")
        for stream, events in planted.events.items():
            call("logs", "CreateLogStream", logGroupName=group, logStreamName=stream)
            for at in range(0, len(events), _PUT_AT_ONCE):
                rows = [{"timestamp": one.ms, "message": one.message} for one in events[at : at + _PUT_AT_ONCE]]
                answer = call("logs", "PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=rows)
                if refused := answer.get("rejectedLogEventsInfo"):
                    raise AwsError(
                        f"logs:PutLogEvents: {stream}: events were not taken: {refused}; is this clock right?"
                    )
        if self._engine:
            self._step(f"{self._choices.events} more as objects into the forwarder's bucket")
            bucket = outputs["FlowLogDestination"].rpartition(":")[2]
            self._target = self._engine.reach(bucket)
            if self._account.rehearsing:
                self._say("    the search engine gets an index template for a data stream of the run")
            else:
                self._target.prepare()
            for key, data in planted.files:
                call("s3", "PutObject", Bucket=bucket, Key=key, Body=data)
        if not self._choices.probes:
            return None
        self._step("records for functions that misbehave on purpose")
        probes = Probes(
            self._account, self._choices.run, outputs["ProbeBucketName"],
            outputs["ProbeQueueUrl"], outputs["ProbeDeadQueueUrl"],
        )  # fmt: skip
        probes.send()
        return probes

    def _look(self, planted: Planted, outputs: Mapping[str, str]) -> None:
        minutes = self._choices.minutes
        delivered, streamed = Delivered(), Streamed()
        events = sum(map(len, planted.events.values()))

        def all_delivered() -> bool:
            nonlocal delivered
            delivered = Delivered.read(self._account, outputs["BucketName"])
            return len(delivered.documents) + len(set(delivered.dead_lines)) >= events

        def all_streamed() -> bool:
            streamed.read_on(self._account, outputs["StreamName"])
            return len(streamed.lines) >= events

        self._step("what Firehose delivers to S3")
        self._patience.until("documents in S3", all_delivered, minutes=minutes)
        self._step("what is in the Kinesis stream")
        self._patience.until("records in Kinesis", all_streamed, minutes=minutes)
        if not self._account.rehearsing:
            self._judge(_FLOWS[0], verdicts(planted.logs, delivered.found(), delivered.dead_lines))
            self._say(
                f"     {delivered.twice} lines were delivered more than once, {len(delivered.errors)} records failed"
            )
            self._judge(_FLOWS[1], list(_of_stream(planted, streamed)))
            self._findings += _of_subscriptions(delivered, streamed)
        if self._target:
            self._step("what the forwarder writes into the search engine")
            self._look_at(self._target, planted)

    def _look_at(self, target: Target, planted: Planted) -> None:
        if self._account.rehearsing:
            self._say("    the search engine is asked for the documents of that bucket")
            return
        manifest = planted.objects
        whole = self._patience.until(
            "documents in the search engine", lambda: target.is_whole(manifest), minutes=self._choices.minutes
        )
        if whole:
            # The lines that nobody can decode are in a bucket of the forwarder's own; Firehose's were looked at.
            held = target.found()
            self._judge("S3, SQS, forwarder", verdicts(manifest, held, manifest.broken_lines)[:-1])
        else:
            self._judge("S3, SQS, forwarder", [_missing(manifest.documents)])
        self._findings.append(
            Finding("keys-in-notifications", whole or None, "all objects came" if whole else "some did not")
        )

    def _judge(self, flow: str, found: list[Verdict]) -> None:
        for one in found:
            self._bad += not one.good
            mark = "ok  " if one.good else "BAD "
            self._say(f"{mark} {flow}: {one.claim}: planted {one.planted}, found {one.found}")

    def _verdict(self) -> int:
        self._step("assumed behaviours")
        if self._account.rehearsing:
            for line in listed(target=bool(self._engine), probes=self._choices.probes):
                self._say(f"    {line}")
            return EX_OK
        seen = {finding.name: finding for finding in self._findings}
        otherwise = 0
        for one in ASSUMPTIONS:
            if not (one.confirmed and within(one, target=bool(self._engine), probes=self._choices.probes)):
                continue
            finding = seen.get(one.name, Finding(one.name, None, "not looked at"))
            word = {True: "confirmed", False: "OTHERWISE", None: "not seen"}[finding.good]
            otherwise += finding.good is False
            self._say(f"{word}: {one.name}: {one.what}: {one.assumed}. Seen: {finding.seen}")
        if self._bad:
            self._say(f"{self._bad} claims do not hold: documents are missing, or others are there")
            return EX_SOFTWARE
        if otherwise:
            self._say(
                f"all documents are there; {otherwise} assumed behaviours are otherwise: tests and pages rest on them"
            )
            return EX_DATAERR
        self._say("all documents are there, and nothing is other than assumed")
        return EX_OK

    def clear_away(self) -> list[str]:
        """Take everything away, and say what it cost. Return what is left."""
        again = f"python -m deploy.smoke --remove {self._choices.run} --region {self._account.region}"
        again += "".join(f" {option} {value}" for option, value in self._choices.more.items())
        if self._choices.keep:
            self._say(f"kept, and billed: {again} takes it away")
            return []
        self._step("everything is taken away")
        try:
            left = self._stack.remove()
        except KeyboardInterrupt:
            self._say(f"LEFT: whatever is named {self._choices.run}, because this was stopped, too: {again}")
            raise
        if self._target and not self._account.rehearsing:
            left += self._target.remove()
        for line in left:
            self._say(f"LEFT: {line}")
        if left:
            self._say(f"try again: {again}")
        elif not self._account.rehearsing:
            self._say("nothing is left")
        self._step("what it costs")
        for line in cost.report(events=self._choices.events, hours=max(self._patience.elapsed() / 3600, 0.5)):
            self._say(f"    {line}")
        return left

    def _step(self, title: str) -> None:
        self._say(f"-- {title}")


def _of_stream(planted: Planted, streamed: Streamed) -> Iterator[Verdict]:
    events = sum(map(len, planted.events.values()))
    found = len(streamed.lines)
    yield Verdict(
        claim="every event is in the stream", planted=f"{events} events", found=f"{found} events", good=events == found
    )
    print_, there = planted.logs.fingerprint, streamed.fingerprint(planted.logs.broken_lines)
    yield Verdict(
        claim="each line is as it was planted",
        planted=f"fingerprint {print_:016x}",
        found=f"fingerprint {there:016x}",
        good=print_ == there,
    )


def _of_subscriptions(delivered: Delivered, streamed: Streamed) -> Iterator[Finding]:
    strange = f"{len(streamed.lines)} events, {streamed.strange} records of another form"
    yield Finding("subscription-records", not streamed.strange if streamed.lines else None, strange)
    yield Finding("control-message", bool(streamed.control) if streamed.lines else None, f"{streamed.control} of them")
    both = streamed.ids & delivered.documents.keys()
    agree = f"{len(both)} ids in both, {len(streamed.ids ^ delivered.documents.keys())} in one of them"
    yield Finding("event-ids", streamed.ids == delivered.documents.keys() if both or streamed.ids else None, agree)


def _missing(documents: int) -> Verdict:
    return Verdict(
        claim="every good event is there, once", planted=f"{documents} events", found="fewer in time", good=False
    )
