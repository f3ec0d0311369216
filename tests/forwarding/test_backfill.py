"""The past of a bucket, listed in an emulated S3 and forwarded into an engine in memory."""

from __future__ import annotations

import gzip
import sqlite3
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.forwarding.scene import Fan, lines
from vpcflow.clock import SystemClock
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import (
    EX_CONFIG,
    EX_SOFTWARE,
    EX_TEMPFAIL,
    EX_USAGE,
    DataError,
    SinkRefused,
    SinkUnavailable,
    VpcFlowError,
)
from vpcflow.forwarding.backfill import Backfill, BackfillReport, ObjectFate, TaskFate
from vpcflow.forwarding.backfilling import TaskWorker
from vpcflow.forwarding.listing import Listing, Span, bucket_and_prefix, moment
from vpcflow.forwarding.messages import Messages
from vpcflow.forwarding.progress import Progress
from vpcflow.forwarding.reading import Reader
from vpcflow.forwarding.work import Deadline
from vpcflow.objects.reference import ObjectRef
from vpcflow.pipeline.counts import Counts
from vpcflow.settings.model import Limits, Objects
from vpcflow.sink.memory import MemorySink

BINDING = {"source": "s3://past/", "from": "2026-11-01", "target": "t"}
REF = ObjectRef(bucket="past", key="a", etag="e")


@pytest.fixture
def s3(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    urllib.request.urlopen(urllib.request.Request(f"{aws_url}/moto-api/reset", method="POST")).close()
    client = boto3.client("s3", region_name="us-east-1", endpoint_url=aws_url)
    client.create_bucket(Bucket="past")
    return client


def key(
    day: int, time: str = "0005", account: str = "111111111111", region: str = "eu-west-1", prefix: str = ""
) -> str:
    name = f"{account}_vpcflowlogs_{region}_fl-1_202611{day:02}T{time}Z_abc.log.gz"
    return f"{prefix}AWSLogs/{account}/vpcflowlogs/{region}/2026/11/{day:02}/{name}"


def put(s3: Any, *keys: str, count: int = 10) -> None:  # noqa: ANN401
    for one in keys:
        s3.put_object(Bucket="past", Key=one, Body=gzip.compress("\n".join(lines(count)).encode()))


def span(first: str, end: str) -> Span:
    return Span(first_ms=moment("--from", first), end_ms=moment("--to", end, is_end=True))


def listing(s3: Any, first: str = "2026-11-01", end: str = "2026-11-30", **more: Any) -> Listing:  # noqa: ANN401
    given = {"accounts": (), "regions": (), **more}
    return Listing(s3, "past", given.pop("prefix", ""), span(first, end), **given)


def listed(made: Listing) -> list[str]:
    return [ref.key for folder in made.folders() for ref in made.objects(folder)]


@dataclass
class Scene:
    s3: Any
    progress: Progress = field(default_factory=lambda: Progress(None, BINDING))
    sink: MemorySink = field(default_factory=MemorySink)
    stopped: bool = False
    asked: list[str] = field(default_factory=list)

    def work(self, refs: Sequence[ObjectRef]) -> TaskFate:
        self.asked += [ref.key for ref in refs]
        return TaskWorker(self.batch, lambda: self.stopped)(refs)

    def batch(self, deadline: Deadline) -> tuple[Messages, Callable[[], Mapping[str, Counts]]]:
        fan = Fan(self.sink, MemoryDeadLetters(), should_stop=deadline.is_over)
        reader = Reader(lambda _region: self.s3, Objects(), Limits(), SystemClock())
        batch = Messages(
            route=lambda *_arns: "default",
            open_fan=lambda _branches: fan,
            reads=lambda _branches: reader,
            send=None,
            deadline=deadline,
            clock=SystemClock(),
            max_continuations=1,
        )
        return batch, lambda: fan.counts

    def stop(self) -> None:
        self.stopped = True

    def run(self, work: Any = None, **more: Any) -> BackfillReport:  # noqa: ANN401
        with ThreadPoolExecutor(2) as pool:
            made = Backfill(
                listing(self.s3),
                self.progress,
                pool,
                work or self.work,
                workers=2,
                clock=SystemClock(),
                stop=self.stop,
                **more,
            )
            self.report = made.report
            return made.run()


def test_only_the_folders_of_the_range_are_listed(s3: Any) -> None:  # noqa: ANN401
    put(s3, *(key(day) for day in range(1, 12)))
    assert listed(listing(s3, "2026-11-03", "2026-11-05")) == [key(3), key(4), key(5)]
    assert listed(listing(s3, "2026-11-03T00:05:00Z", "2026-11-04T00:05:00Z")) == [key(3)]
    assert listed(listing(s3, "2026-11-03T00:06", "2026-11-04T00:06")) == [key(4)]
    assert len(listing(s3, "2026-11-03", "2026-11-05").folders()) == 3


def test_accounts_regions_and_prefixes(s3: Any) -> None:  # noqa: ANN401
    other = key(1, account="222222222222"), key(1, region="us-east-1"), key(1, prefix="team/")
    put(s3, key(1), *other)
    assert sorted(listed(listing(s3))) == sorted([key(1), *other])
    assert sorted(listed(listing(s3, accounts=["222222222222"]))) == [other[0]]
    assert sorted(listed(listing(s3, regions=["us-east-1"]))) == [other[1]]
    assert listed(listing(s3, prefix="team/AWSLogs")) == [other[2]]


def test_a_bucket_that_is_not_there_is_told_in_one_line(s3: Any) -> None:  # noqa: ANN401
    with pytest.raises(VpcFlowError, match="NoSuchBucket") as caught:
        Listing(s3, "none-here", "", span("2026-11-01", "2026-11-02"), accounts=(), regions=()).folders()
    assert (caught.value.exit_code, "\n" in str(caught.value)) == (EX_CONFIG, False)


def test_times_are_utc_and_a_last_day_is_all_of_it() -> None:
    day = 86_400_000
    first = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp() * 1000)
    assert moment("--from", "2026-11-01") == first
    assert moment("--to", "2026-11-01", is_end=True) == first + day
    assert moment("--to", "20261101", is_end=True) == first + day
    assert moment("--to", "2026-11-01T00:00", is_end=True) == first
    assert moment("--from", "2026-11-01T02:00+02:00") == first
    with pytest.raises(VpcFlowError, match="--from: 'yesterday' is no date") as caught:
        moment("--from", "yesterday")
    assert caught.value.exit_code == EX_USAGE


@pytest.mark.parametrize("year", ["0001", "2014", "9999"])
def test_a_year_that_has_no_flow_logs_is_refused(year: str) -> None:
    for end in (False, True):
        with pytest.raises(VpcFlowError, match=f"--to: {year}-12-31: not between 2015 and 9998") as caught:
            moment("--to", f"{year}-12-31", is_end=end)
        assert caught.value.exit_code == EX_USAGE
    assert moment("--to", "9998-12-31", is_end=True) > moment("--from", "2015-01-01")


def test_a_source_that_is_not_in_s3() -> None:
    assert bucket_and_prefix("s3://b/p/q") == ("b", "p/q")
    for source, what in (("folder", "not in S3"), ("s3://", "no bucket")):
        with pytest.raises(DataError, match=f"{source}: {what}; with --from and --to give s3://BUCKET/PREFIX"):
            bucket_and_prefix(source)


def test_all_of_it_is_forwarded_once(s3: Any) -> None:  # noqa: ANN401
    put(s3, *(key(day) for day in range(1, 6)))
    scene = Scene(s3)
    report = scene.run()
    assert (report.settled, report.failed, report.lines, report.all_well) == (5, 0, 55, True)
    assert (len(scene.sink.documents), report.counts["default"].created) == (50, 50)
    assert "5 objects forwarded" in report.lines_for_people()[0]
    again = Scene(s3, progress=scene.progress, sink=scene.sink)
    report = again.run()
    assert (report.settled, report.before, again.asked) == (0, 5, [])


def test_an_object_that_was_overwritten_since_is_forwarded_again(s3: Any) -> None:  # noqa: ANN401
    put(s3, key(1))
    scene = Scene(s3)
    scene.run()
    put(s3, key(1), count=12)
    assert scene.run().settled == 1


def test_a_dry_run_only_counts(s3: Any) -> None:  # noqa: ANN401
    put(s3, key(1), key(2))
    scene = Scene(s3)
    scene.progress.note([next(listing(s3).objects(listing(s3).folders()[0]))])
    with ThreadPoolExecutor(1) as pool:
        made = Backfill(listing(s3), scene.progress, pool, scene.work, workers=1, clock=SystemClock(), stop=scene.stop)
        report = made.count()
    assert (report.settled, report.before, scene.asked) == (1, 1, [])
    assert report.lines_for_people()[0].startswith("2 folders: 1 object to forward")


def test_a_line_of_progress_says_how_far_it_is() -> None:
    report = BackfillReport(folders=4, folders_done=1, settled=1, lines=500, bytes=9000, seconds=60)
    assert report.line_for_people() == "1 object, 500 lines, 9.0 kB, 8 lines a second, folder 2 of 4, about 3 min left"
    report.folders_done = 4  # all is listed, the last objects are under way
    assert report.line_for_people() == "1 object, 500 lines, 9.0 kB, 8 lines a second, folder 4 of 4"


def test_a_failure_costs_its_object_alone_and_is_tried_the_next_time(s3: Any) -> None:  # noqa: ANN401
    put(s3, key(1), key(2))
    scene = Scene(s3)

    def denied(refs: Sequence[ObjectRef]) -> TaskFate:
        fate = scene.work(refs)
        bad = [replace_reason(one, "denied") if one.ref.key == key(1) else one for one in fate.objects]
        return TaskFate(objects=bad, counts=fate.counts)

    report = scene.run(denied)
    assert (report.settled, report.failed, report.first) == (1, 1, ["denied"])
    assert not report.all_well
    assert scene.run().settled == 1


def replace_reason(one: Any, reason: str) -> Any:  # noqa: ANN401
    from dataclasses import replace

    return replace(one, reason=reason)


def test_an_engine_that_stays_away_stops_it_and_the_state_is_of_use(s3: Any) -> None:  # noqa: ANN401
    put(s3, *(key(day, time) for day in range(1, 4) for time in ("0005", "0010")))
    scene = Scene(s3)
    away = SinkUnavailable("away")

    def work(refs: Sequence[ObjectRef]) -> TaskFate:
        fate = scene.work(refs)
        return TaskFate(objects=fate.objects, counts=fate.counts, trouble=away)

    with pytest.raises(SinkUnavailable, match="away"):
        scene.run(work)
    assert scene.stopped
    assert scene.progress.count == scene.report.settled > 0


def test_what_stops_it_is_not_said_again_for_each_object(s3: Any) -> None:  # noqa: ANN401
    put(s3, *(key(day) for day in range(1, 4)))
    scene = Scene(s3)
    refused = SinkRefused("no such data stream", exit_code=EX_CONFIG)

    def work(refs: Sequence[ObjectRef]) -> TaskFate:
        reasons = [f"{ref.url}: {refused}" if ref.key != key(1) else "denied" for ref in refs]
        fates = [ObjectFate(ref=ref, reason=reason) for ref, reason in zip(refs, reasons, strict=True)]
        return TaskFate(objects=fates, trouble=refused)

    with pytest.raises(SinkRefused):
        scene.run(work)
    assert (scene.report.failed, scene.report.left, scene.report.first) == (1, 2, ["denied"])
    assert scene.progress.count == 0
    assert scene.report.lines_for_people() == [
        "0 objects forwarded, 1 failed, 2 left for the next run",
        "  0 lines, 0 bytes stored",
        "  denied",
    ]


def test_ctrl_c_writes_down_what_is_settled(s3: Any) -> None:  # noqa: ANN401
    put(s3, *(key(day) for day in range(1, 6)))
    scene = Scene(s3)

    def interrupt(report: BackfillReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scene.run(on_progress=interrupt)
    assert scene.stopped
    assert scene.progress.count == scene.report.settled > 0
    rest = Scene(s3, progress=scene.progress, sink=scene.sink)
    rest.run()
    assert len(rest.sink.documents) == 50


def test_a_process_that_dies_is_told(s3: Any) -> None:  # noqa: ANN401
    put(s3, key(1))

    def dies(_refs: Sequence[ObjectRef]) -> TaskFate:
        raise BrokenExecutor("died")

    with pytest.raises(VpcFlowError, match="a process of the backfill has died") as caught:
        Scene(s3).run(dies)
    assert caught.value.exit_code == EX_SOFTWARE


def test_a_state_is_durable_and_bound(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    made = Progress(path, BINDING)
    made.note([REF])
    with pytest.raises(VpcFlowError, match="another backfill works with it") as caught:
        Progress(path, BINDING)
    assert caught.value.exit_code == EX_TEMPFAIL
    made.close()
    again = Progress(path, BINDING)
    assert (again.is_done(REF), again.count) == (True, 1)
    assert not again.is_done(ObjectRef(bucket="past", key="a", etag="f"))
    again.close()
    with pytest.raises(VpcFlowError, match=r"another backfill \(from 2026-11-01 there, 2026-11-02 here\)") as caught:
        Progress(path, {**BINDING, "from": "2026-11-02"})
    assert (caught.value.exit_code, "\n" in str(caught.value)) == (EX_USAGE, False)


def test_what_is_no_state_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    text, other, newer = tmp_path / "text", tmp_path / "other.db", tmp_path / "newer.db"
    text.write_text("notes of mine, " * 100)
    with sqlite3.connect(other) as data:
        data.execute("CREATE TABLE mine (a)")
    data.close()
    Progress(newer, BINDING).close()
    with sqlite3.connect(newer) as data:
        data.execute("PRAGMA user_version = 2")
    data.close()
    before = text.read_bytes(), other.read_bytes()
    for path, words in ((text, "not the state"), (other, "not the state"), (newer, "a state of format 2")):
        with pytest.raises(VpcFlowError, match=words) as caught:
            Progress(path, BINDING)
        assert caught.value.exit_code == EX_USAGE
    assert (text.read_bytes(), other.read_bytes()) == before
    for path in (tmp_path / "none" / "state.db", tmp_path):
        with pytest.raises(VpcFlowError, match="name a file that can be written") as caught:
            Progress(path, BINDING)
        assert caught.value.exit_code == EX_USAGE


def test_a_disk_without_room_is_said_and_what_was_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    made = Progress(path, BINDING)
    made.note([REF])
    made._data.execute(f"PRAGMA max_page_count = {made._data.execute('PRAGMA page_count').fetchone()[0]}")
    many = [ObjectRef(bucket="past", key=f"key-{number:05}", etag="e") for number in range(5000)]
    for _ in range(2):  # also what is still settled at the end
        with pytest.raises(VpcFlowError, match="is full; see to its disk, then run it again") as caught:
            made.note(many)
        assert caught.value.exit_code == EX_TEMPFAIL
    made.close()
    again = Progress(path, BINDING)
    assert (again.is_done(REF), again.count) == (True, 1)
    again.close()


def test_a_state_that_a_kill_left_behind_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    made = Progress(path, BINDING)
    made.note([REF])
    made._data.execute("BEGIN")
    made._data.execute("INSERT INTO done VALUES ('half', 'e')")
    made._data.close()  # nothing was committed
    again = Progress(path, BINDING)
    assert again.count == 1
    again.close()
