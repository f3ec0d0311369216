"""What an OpenSearch destination makes of records."""

from __future__ import annotations

from typing import Any

import pytest

from tests.firehose.emulator.opensearch import FAILED, MemoryCluster, OpenSearchDestination
from tests.firehose.emulator.stream import DeliveryStream
from tests.firehose.scene import clock, failed, raw


def indexing(
    cluster: MemoryCluster,
    **settings: Any,  # noqa: ANN401 - of the destination
) -> tuple[DeliveryStream, OpenSearchDestination]:
    destination = OpenSearchDestination(cluster, "flows", **{"seconds": 0, **settings})
    return (
        DeliveryStream("s", destination, clock=clock(), error_prefix="errors/!{firehose:error-output-type}/"),
        destination,
    )


def test_a_record_becomes_a_document_with_an_id_of_firehose() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html."""
    cluster = MemoryCluster()
    stream, destination = indexing(cluster)
    stream.put_record_batch([b'{"a":1}', b'{"a":2}\n'])
    stream.drain()
    assert list(cluster.documents.values()) == [{"a": 1}, {"a": 2}]
    assert {name for name, _ in cluster.documents} == {"flows-2026-09-21"}
    assert {key for _, key in cluster.documents} == {f"{record.record_id}.0" for record in stream.accepted}
    assert destination.delivered == 2


@pytest.mark.parametrize(
    ("rotation", "name"),
    [
        ("NoRotation", "flows"),
        ("OneHour", "flows-2026-09-21-14"),
        ("OneDay", "flows-2026-09-21"),
        ("OneMonth", "flows-2026-09"),
    ],
)
def test_the_index_has_a_part_of_the_arrival_time(rotation: str, name: str) -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html#es-index-rotation."""
    cluster = MemoryCluster()
    stream, _ = indexing(cluster, rotation=rotation)
    stream.put_record_batch([b"{}"])
    stream.drain()
    assert [index for index, _ in cluster.documents] == [name]


@pytest.mark.parametrize(
    "data", [b'{"a":1}\n{"a":2}\n', b'{\n"a":1}', b"line", b"[]", b"", b'{"a":"\xff"}', b'{"a":1}{"a":2}']
)
def test_a_record_that_is_not_one_json_object_on_one_line_fails(data: bytes) -> None:
    """ "UTF-8 encoded and flattened to a single-line JSON object".

    https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html. *Assumed*: that the record alone fails, and its code.
    """
    cluster = MemoryCluster()
    stream, _ = indexing(cluster)
    stream.put_record_batch([b"{}", data, b"{}"])
    stream.drain()
    assert len(cluster.documents) == 2
    (entry,) = failed(stream, FAILED)
    assert raw(entry) == data
    assert {"esDocumentId", "esIndexName", "esTypeName"} < set(entry)


def test_a_cluster_that_is_away_is_tried_for_the_retry_duration() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/retry.html. *Assumed*: pauses as for HTTP endpoints."""
    cluster = MemoryCluster()
    stream, _ = indexing(cluster, retry_seconds=600)
    cluster.away = True
    stream.put_record_batch([b'{"a":1}'])
    stream.run_for(300)
    assert failed(stream, FAILED) == []
    cluster.away = False
    stream.drain()
    assert list(cluster.documents.values()) == [{"a": 1}]
    cluster.away = True
    stream.put_record_batch([b'{"a":2}'])
    stream.drain()
    (entry,) = failed(stream, FAILED)
    assert raw(entry) == b'{"a":2}'
    assert entry["attemptsMade"] > 1


def test_a_document_that_is_refused_fails_alone_and_one_that_is_pushed_back_comes_again() -> None:
    """https://docs.aws.amazon.com/firehose/latest/dev/retry.html. *Assumed*: by item, with the item's status."""
    busy = iter([429, 429, 201])

    def judge(document: dict[str, Any]) -> int:
        return {"bad": 400, "busy": 0}.get(document["kind"], 201) or next(busy)

    cluster = MemoryCluster(judge)
    stream, destination = indexing(cluster)
    stream.put_record_batch([b'{"kind":"bad"}', b'{"kind":"busy"}', b'{"kind":"good"}'])
    stream.drain()
    assert sorted(document["kind"] for document in cluster.documents.values()) == ["busy", "good"]
    (entry,) = failed(stream, FAILED)
    assert (raw(entry), entry["errorCode"], entry["attemptsMade"]) == (b'{"kind":"bad"}', "400", 1)
    assert destination.delivered == 2
