"""What answers mean. The bodies are those of real servers (Elasticsearch 9.5.3, OpenSearch 3.6.0), shortened."""

from __future__ import annotations

import pytest

from vpcflow.errors import SinkError, SinkRefused, SinkUnavailable
from vpcflow.sink.abstract import BodyTooLarge, Overloaded
from vpcflow.sink.response import item_error, parse, read_bulk, request_error
from vpcflow.types import Outcome


def item(status: int, kind: str, reason: str = "", **more: object) -> dict[str, object]:
    return {"create": {"status": status, "error": {"type": kind, "reason": reason, **more}}}


CREATED: dict[str, object] = {"create": {"status": 201}}
CONFLICT = item(
    409,
    "version_conflict_engine_exception",
    "[1]: version conflict, document already exists (current version [1])",
    index_uuid="u",
    shard="0",
    index=".ds-logs-aws.vpcflow-default-2026.01.01-000001",
)


def one(entry: dict[str, object]) -> Outcome:
    answer = read_bulk(200, {"errors": True, "items": [entry]}, 1)
    assert len(answer.outcomes) == 1
    return answer.outcomes[0]


def test_outcomes_are_by_position() -> None:
    rejected = item(
        400,
        "document_parsing_exception",
        "[1:40] failed to parse field [source.ip] of type [ip] in document with id 'a'. Preview of field's value: '-'",
        caused_by={"type": "illegal_argument_exception", "reason": "'-' is not an IP string literal."},
    )
    body = {"errors": True, "items": [CREATED, CONFLICT, rejected, CREATED, item(429, "circuit_breaking_exception")]}
    answer = read_bulk(200, body, 5)
    assert answer.outcomes == [
        Outcome.CREATED,
        Outcome.DUPLICATE,
        Outcome.REJECTED,
        Outcome.CREATED,
        Outcome.RETRYABLE,
    ]
    assert sorted(answer.errors) == [1, 2, 4]
    assert answer.errors[2].type == "document_parsing_exception"
    assert answer.errors[2].reason.endswith("Preview of field's value: '-': '-' is not an IP string literal.")


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        (
            item(400, "document_parsing_exception", "data stream timestamp field [@timestamp] is missing"),
            Outcome.REJECTED,
        ),
        (item(400, "mapper_parsing_exception", "failed to parse"), Outcome.REJECTED),
        (
            item(400, "document_parsing_exception", "Preview of field's value: 'maximum normal shards open'"),
            Outcome.REJECTED,
        ),
        (item(400, "illegal_argument_exception", "Limit of total fields [1000] has been exceeded"), Outcome.REJECTED),
        (item(500, "fail_processor_exception", "no thanks"), Outcome.REJECTED),
        (
            item(403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write (api)];"),
            Outcome.RETRYABLE,
        ),
        (
            item(429, "cluster_block_exception", "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark"),
            Outcome.RETRYABLE,
        ),
        (item(503, "unavailable_shards_exception", "[x][0] primary shard is not active"), Outcome.RETRYABLE),
        (item(500, "null_pointer_exception", "?"), Outcome.RETRYABLE),
        (
            item(400, "validation_exception", "this action would add [2] shards, maximum normal shards open"),
            Outcome.RETRYABLE,
        ),
        ({"create": {"status": 201, "failure_store": "used"}}, Outcome.DIVERTED),
        ({"create": {"status": 201, "failure_store": "not_applicable_or_unknown"}}, Outcome.CREATED),
        ({"create": {"status": 200}}, Outcome.CREATED),
    ],
)
def test_items(entry: dict[str, object], outcome: Outcome) -> None:
    assert one(entry) is outcome


@pytest.mark.parametrize(
    ("entry", "exit_code"),
    [
        (item(403, "security_exception", "action [indices:data/write/bulk] is unauthorized"), 77),
        (item(404, "index_not_found_exception", "no such index [x] and [require_data_stream] is [true]"), 78),
        (item(400, "illegal_argument_exception", "pipeline with id [nope] does not exist"), 78),
        (
            item(
                400,
                "illegal_argument_exception",
                "only write ops with an op_type of create are allowed in data streams",
            ),
            78,
        ),
        (item(400, "index_closed_exception", "closed"), 78),
    ],
)
def test_items_that_stop_everything(entry: dict[str, object], exit_code: int) -> None:
    with pytest.raises(SinkRefused) as caught:
        read_bulk(200, {"errors": True, "items": [CREATED, entry]}, 2, where="https://host:9200 (x)")
    assert caught.value.exit_code == exit_code
    assert str(caught.value).startswith("https://host:9200 (x)")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        "text",
        {"errors": False},
        {"errors": False, "items": None},
        {"errors": False, "items": "ab"},
        {"errors": False, "items": []},
        {"errors": False, "items": [CREATED]},
        {"errors": False, "items": [CREATED, CREATED, CREATED]},
        {"errors": False, "items": [CREATED, {}]},
        {"errors": False, "items": [CREATED, None]},
        {"errors": False, "items": [CREATED, {"create": None}]},
        {"errors": False, "items": [CREATED, {"create": {}}]},
        {"errors": False, "items": [CREATED, {"create": {"status": "201"}}]},
        {"errors": False, "items": [CREATED, {"update": {"status": 200}}]},
        {"errors": False, "items": [CREATED, {"create": {"status": 201}, "index": {"status": 201}}]},
    ],
)
def test_an_answer_that_does_not_fit_decides_nothing(body: object) -> None:
    with pytest.raises(SinkUnavailable):
        read_bulk(200, body, 2)


def test_no_item_without_status_is_a_success() -> None:
    assert one({"create": {"status": 302}}) is Outcome.RETRYABLE
    with pytest.raises(SinkRefused):
        one({"create": {"status": 404, "error": {"type": "x"}}})
    assert one({"create": {"status": 418, "error": "as text"}}) is Outcome.REJECTED


PRESSURE = {
    "error": {
        "root_cause": [{"type": "es_rejected_execution_exception", "reason": "rejected execution"}],
        "type": "es_rejected_execution_exception",
        "reason": "rejected execution of coordinating operation [coordinating_and_primary_bytes=98718]",
    },
    "status": 429,
}
UNAUTHORIZED = {"error": {"type": "security_exception", "reason": "unable to authenticate user [x]"}, "status": 401}
BLOCKED = {"error": {"type": "cluster_block_exception", "reason": "blocked by: [FORBIDDEN/6/cluster read-only (api)];"}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "exit_code"),
    [
        (429, PRESSURE, Overloaded, 75),
        (429, {"error": {"type": "circuit_breaking_exception", "reason": "Data too large"}}, Overloaded, 75),
        (429, {"error": {"type": "rejected_execution_exception", "reason": "max"}}, Overloaded, 75),
        (403, BLOCKED, SinkUnavailable, 75),
        (503, None, SinkUnavailable, 75),
        (502, None, SinkUnavailable, 75),
        (500, {"error": "text"}, SinkUnavailable, 75),
        (408, None, SinkUnavailable, 75),
        (401, UNAUTHORIZED, SinkRefused, 77),
        (401, None, SinkRefused, 77),
        (403, {"message": "User: x is not authorized to perform: es:ESHttpPost"}, SinkRefused, 77),
        (404, None, SinkRefused, 78),
        (405, None, SinkRefused, 78),
        (406, {"error": "Content-Type header [text/plain] is not supported"}, SinkRefused, 78),
        (301, None, SinkRefused, 78),
        (
            400,
            {"error": {"type": "illegal_argument_exception", "reason": "request contains unrecognized parameter: [x]"}},
            SinkRefused,
            78,
        ),
        (400, {"error": {"type": "x_content_parse_exception", "reason": "[1:1] unexpected"}}, SinkRefused, 70),
        (413, None, BodyTooLarge, 70),
    ],
)
def test_whole_requests(status: int, body: object, kind: type[SinkError], exit_code: int) -> None:
    with pytest.raises(kind) as caught:
        read_bulk(status, body, 2, where="host")
    assert type(caught.value) is kind
    assert caught.value.exit_code == exit_code
    assert str(caught.value).startswith("host")


def test_retry_after_is_handed_on() -> None:
    error = request_error(503, None, where="host", retry_after=7)
    assert isinstance(error, SinkUnavailable)
    assert error.retry_after == 7


def test_every_status_is_an_error_of_ours() -> None:
    for status in (*range(100, 200), *range(300, 600)):
        assert isinstance(request_error(status, None, where="host"), SinkError)


def test_reasons_are_one_short_line() -> None:
    error = item_error(400, {"type": "t", "reason": "a\nb\t c" + "x" * 5000})
    assert error.reason.startswith("a b c")
    assert len(error.reason) == 1000


def test_parse() -> None:
    assert parse(b'{"a":1}') == {"a": 1}
    assert parse(b"<html>") is None
    assert parse(b"") is None
