"""One queue with everything in it: each message has its own fate."""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.eventsources.engine import MemoryEngine
from tests.eventsources.flows import letters, notification, put
from tests.eventsources.queueing import queued
from tests.firehose.flows import generator

FOLDER = "AWSLogs/123456789012"


def parquet(lines: list[str]) -> bytes:
    """Return lines with their header as a Parquet file of text columns, in row groups of 50."""
    header, *rows = (line.split() for line in lines)
    table = pa.table({name.replace("-", "_"): [row[place] for row in rows] for place, name in enumerate(header)})
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=50)
    return file.getvalue()


def wrapped_by_sns(body: str) -> str:
    return json.dumps(
        {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:us-east-1:1:t", "Message": body}
    )


def by_event_bridge(key: str, etag: str) -> str:
    detail = {"bucket": {"name": "flows"}, "object": {"key": key, "size": 1, "etag": etag.strip('"')}}
    return json.dumps(
        {"source": "aws.s3", "detail-type": "Object Created", "region": "us-east-1", "time": "2026-09-21T00:00:00Z"}
        | {"detail": detail}
    )


def test_a_batch_of_all_kinds(cluster: MemoryEngine, s3: Any) -> None:  # noqa: ANN401
    made = generator(events=600)
    files = list(made.s3_files(lines_each=100))
    texts = [gzip.decompress(body) for _, body in files]
    gz, _, _, by_sns, by_bridge, _ = files
    plain_key = f"{FOLDER}/vpcflowlogs/eu-central-1/2026/09/21/plain vpcflowlogs+ä.log"
    columns_key = f"{FOLDER}/vpcflowlogs/aws-region=eu-central-1/year=2026/month=09/day=21/hour=00/a.log.parquet"
    bodies = put(s3, [gz, (plain_key, texts[1]), (columns_key, parquet(texts[2].decode().splitlines()))])
    bodies += [wrapped_by_sns(body) for body in put(s3, [by_sns])]
    etag = s3.put_object(Bucket="flows", Key=by_bridge[0], Body=by_bridge[1])["ETag"]
    bodies.append(by_event_bridge(by_bridge[0], etag))
    bodies.append(texts[5].decode())  # flow logs themselves, without an object
    others = put(s3, [(f"{FOLDER}/CloudTrail/eu-central-1/2026/09/21/x.json.gz", gzip.compress(b'{"Records": []}'))])
    others.append(json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "flows"}))
    others.append(notification(f"{FOLDER}/vpcflowlogs/eu-central-1/deleted.log.gz", "0" * 32))
    others.append(notification(gz[0], "0" * 32, event="ObjectRemoved:Delete"))
    with queued(cluster.environ) as there:
        there.send(*(body for pair in zip(bodies, [*others, bodies[0], bodies[1]], strict=True) for body in pair))
        there.times.drain()
        assert there.is_clean()
        assert len(there.mapping.calls) == 2
    counts = Counter(cluster.lines())
    expected = Counter(line for text in texts for line in text.decode().splitlines()[1:])
    assert counts == expected
    (gone,) = letters(s3)
    assert "deleted.log.gz" in gone.message + gone.source + gone.raw.decode()
