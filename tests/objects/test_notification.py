"""Bodies as AWS documents them, and as nobody should send them.

S3: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html. EventBridge:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html. SNS:
https://docs.aws.amazon.com/sns/latest/dg/sns-sqs-as-subscriber.html.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vpcflow.errors import EX_DATAERR
from vpcflow.objects.notification import NotificationError, continuation_body, notification, references
from vpcflow.objects.reference import ObjectRef, Resume

KEY = "AWSLogs/123456789012/vpcflowlogs/eu-central-1/2026/11/25/x.log.gz"
REF = ObjectRef(
    bucket="flow-logs",
    key=KEY,
    etag="d41d8cd98f00b204e9800998ecf8427e",
    size=1024,
    region="eu-central-1",
    event_time_ms=1_764_057_600_123,
)


def record(key: str = KEY, name: str = "ObjectCreated:Put", **more: object) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2025-11-25T08:00:00.123Z",
        "eventName": name,
        "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "testConfigRule",
            "bucket": {
                "name": "flow-logs",
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": "arn:aws:s3:::flow-logs",
            },
            "object": {
                "key": key,
                "size": 1024,
                "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": "0055AED6DCD90281E5",
                **more,
            },
        },
    }


def event(*records: dict[str, Any]) -> dict[str, Any]:
    return {"Records": list(records or [record()])}


def bridge(key: str = KEY, kind: str = "Object Created", **more: object) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": kind,
        "source": "aws.s3",
        "account": "111122223333",
        "time": "2025-11-25T08:00:00.123Z",
        "region": "eu-central-1",
        "resources": ["arn:aws:s3:::flow-logs"],
        "detail": {
            "version": "0",
            "bucket": {"name": "flow-logs"},
            "object": {
                "key": key,
                "size": 1024,
                "etag": "d41d8cd98f00b204e9800998ecf8427e",
                "sequencer": "00617F08299329D189",
                **more,
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "reason": "PutObject",
        },
    }


def topic(message: object) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:MyTopic",
        "Subject": "Amazon S3 Notification",
        "Message": json.dumps(message),
        "Timestamp": "2025-11-25T08:00:01.000Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
    }


TEST = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2014-10-13T15:57:02.089Z",
    "Bucket": "flow-logs",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
}


@pytest.mark.parametrize(
    "body",
    [event(), topic(event()), bridge(), topic(bridge()), topic(topic(event()))],
    ids=["s3", "sns", "bridge", "both", "twice"],
)
def test_one_object_in_every_envelope(body: dict[str, Any]) -> None:
    assert references(json.dumps(body)) == [REF]
    assert references(json.dumps(body).encode()) == [REF]
    assert references(body) == [REF]  # a parsed event, and raw delivery of SNS


def test_several_records_in_their_order() -> None:
    keys = [f"vpcflowlogs/{n}" for n in range(7)]
    assert [ref.key for ref in references(event(*map(record, keys)))] == keys


@pytest.mark.parametrize("body", [TEST, topic(TEST)])
def test_a_test_of_the_queue_is_nothing(body: dict[str, Any]) -> None:
    told = notification(body)
    assert (list(told.references), told.ignored, told.is_test) == ([], 0, True)


KEYS = [
    "a b.log.gz",
    "a+b",
    "a%2Bb",
    "ü€𝄞/日本",
    "100%",
    "a&b=c?d#e",
    "2026-11-25T14:03:40.log",
    "%",
    "+",
    "a//b",
    "\x7f\x01",
]


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_url_encoded_in_events_of_s3_and_raw_in_those_of_event_bridge(key: str) -> None:
    assert references(event(record(quote_plus(key))))[0].key == key
    assert references(topic(event(record(quote_plus(key, safe="/")))))[0].key == key
    assert references(bridge(key))[0].key == key


def test_plus_is_a_space_and_its_code_a_plus() -> None:
    assert references(event(record("a+b%2Bc%20d")))[0].key == "a b+c d"
    assert references(bridge("a+b%2Bc%20d"))[0].key == "a+b%2Bc%20d"


def test_versions() -> None:
    assert (
        references(event(record(versionId="096fKKXTRTtl3on89fVO.nfljtsv6qko")))[0].version_id
        == "096fKKXTRTtl3on89fVO.nfljtsv6qko"
    )
    assert references(bridge(**{"version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"}))[0].version_id
    assert references(event(record(versionId="null")))[0].version_id == ""


@pytest.mark.parametrize(
    "name",
    [
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRestore:Completed",
        "LifecycleExpiration:Delete",
        "ObjectTagging:Put",
    ],
)
def test_other_events_of_s3_are_counted_and_are_no_objects(name: str) -> None:
    told = notification(event(record(name=name), record(), record(name=name)))
    assert (list(told.references), told.ignored) == ([REF], 2)


def test_other_events_of_event_bridge_are_counted_and_are_no_objects() -> None:
    told = notification(bridge(kind="Object Deleted"))
    assert (list(told.references), told.ignored) == ([], 1)


@pytest.mark.parametrize(
    "name",
    ["ObjectCreated:Post", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload", "s3:ObjectCreated:Put"],
)
def test_every_way_to_make_an_object(name: str) -> None:
    assert references(event(record(name=name))) == [REF]


def test_what_is_not_told_is_not_known() -> None:
    bare = {
        "Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "flow-logs"}, "object": {"key": "k"}}}]
    }
    assert references(bare) == [ObjectRef(bucket="flow-logs", key="k")]
    odd = {"eventName": "ObjectCreated:Put", "eventTime": "yesterday", "awsRegion": 7}
    odd["s3"] = {"bucket": {"name": "flow-logs"}, "object": {"key": "k", "size": "9"}}
    assert references({"Records": [odd]}) == [ObjectRef(bucket="flow-logs", key="k")]


def test_continuations_come_back_as_they_were() -> None:
    ref = ObjectRef(
        bucket="flow-logs",
        key="ü +%2B/日本\x7f",
        etag="e",
        size=7,
        version_id="v",
        region="eu-central-1",
        event_time_ms=5,
        resume=Resume(etag="e", line=1_999_999, row_group=3, hops=200),
    )
    assert references(continuation_body(ref)) == [ref]
    small = ObjectRef(bucket="flow-logs", key="k", resume=Resume(etag="e", line=0, hops=0))
    assert references(continuation_body(small))[0].resume == small.resume
    with pytest.raises(ValueError, match="where to go on"):
        continuation_body(REF)


WITHOUT: list[tuple[Any, str]] = [
    ("", "not JSON"),
    ("hello", "not JSON"),
    ('{"Records": [', "not JSON"),
    ("[" * 100_000, "not JSON"),
    ('{"a":' * 5_000 + "1" + "}" * 5_000, "not JSON"),
    ('{"Records": "\ud800"}', "not JSON"),
    ("null", "nothing"),
    ("7", "a number"),
    ("[]", "a list of 0"),
    ("{}", "an empty object"),
    ('{"secret": "s3cr3t", "b": 1}', "'secret', 'b'"),
    ({str(n): n for n in range(1000)}, "…"),
    ({"Records": []}, "a list of 0"),
    ({"Records": {}}, "an empty object"),
    ({"Records": None}, "nothing"),
    ({"Records": [7]}, "a record without 's3': a number"),
    ({"Records": [{"kinesis": {}, "eventSource": "aws:kinesis"}]}, "'kinesis', 'eventSource'"),
    ({"Records": [{"s3": {"bucket": {"name": "flow-logs"}, "object": {"key": "k"}}}]}, "without an eventName"),
    (event(record(name="ObjectMoved:Far")), "eventName that S3 does not have"),
    (event({**record(), "s3": []}), "a record without 's3'"),
    (event({**record(), "s3": {"object": {"key": "k"}}}), "without 'bucket'"),
    (event({**record(), "s3": {"bucket": {}, "object": {"key": "k"}}}), "a bucket without 'name'"),
    (event({**record(), "s3": {"bucket": {"name": 1}, "object": {"key": "k"}}}), "a bucket without 'name'"),
    (event({**record(), "s3": {"bucket": {"name": "a/../b"}, "object": {"key": "k"}}}), "a bucket's name"),
    (event({**record(), "s3": {"bucket": {"name": "flow-logs"}, "object": {}}}), "an object without 'key'"),
    (event({**record(), "s3": {"bucket": {"name": "flow-logs"}, "object": {"key": ["k"]}}}), "an object without 'key'"),
    (event(record(key="%FF%FE")), "not UTF-8"),
    (event(record(key="k" * 1025)), "1025 characters"),
    (event(record(eTag=7)), "'eTag' is a number"),
    (event(record(versionId={"a": 1})), "'versionId' is an object with 'a'"),
    (bridge(kind="AWS API Call via CloudTrail"), "not Object Created"),
    ({**bridge(), "source": "aws.ec2"}, "'aws.ec2', not from aws.s3"),
    ({**bridge(), "detail": "x"}, "without 'detail'"),
    ({**bridge(), "detail-type": 5}, "a number, not Object Created"),
    (bridge(key=""), "an object without 'key'"),
    ({"Type": "SubscriptionConfirmation", "TopicArn": "arn", "Message": "You have chosen"}, "confirm the subscription"),
    ({"Type": "Notification", "Message": "hello"}, "not JSON"),
    ({"Type": "Notification", "Message": 7}, "a number"),
    ({"Type": "Notification", "TopicArn": "arn"}, "nothing"),
    (topic(topic(topic(topic(event())))), "more than three envelopes"),
    ({"vpcflow.continue": 1}, "a continuation that cannot be read"),
    ({"vpcflow.continue": {"version": 2}}, "another version"),
    (
        {"vpcflow.continue": {"version": 1, "bucket": "b", "key": "k", "etag": "e", "line": -1, "hops": 1}},
        "no number for line",
    ),
    (
        {"vpcflow.continue": {"version": 1, "bucket": "b", "key": "k", "etag": "e", "line": True, "hops": 1}},
        "no number for line",
    ),
    ({"vpcflow.continue": {"version": 1, "bucket": "b", "key": "k", "etag": "e", "line": 1}}, "no number for hops"),
    (
        {"vpcflow.continue": {"version": 1, "bucket": "", "key": "k", "etag": "e", "line": 1, "hops": 1}},
        "no text for bucket",
    ),
    ("x" * 1_100_001, "1100001 characters"),
]


@pytest.mark.parametrize(("body", "words"), WITHOUT, ids=range(len(WITHOUT)))
def test_anything_else_is_an_error_of_one_line_that_shows_no_values(body: object, words: str) -> None:
    for given_ in (body, json.dumps(body)) if not isinstance(body, str) else (body,):
        with pytest.raises(NotificationError) as caught:
            references(given_)
        text = str(caught.value)
        assert words in text
        assert "\n" not in text
        assert len(text) < 500
        assert "s3cr3t" not in text
        assert caught.value.exit_code == EX_DATAERR


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Records",
                    "s3",
                    "bucket",
                    "name",
                    "object",
                    "key",
                    "eventName",
                    "Type",
                    "Message",
                    "detail",
                    "detail-type",
                    "source",
                    "vpcflow.continue",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(JSON)
def test_nothing_but_that_error_comes_out(body: object) -> None:
    try:
        told = [f"{ref.bucket}{ref.key}" for ref in references(body)]
    except NotificationError as error:
        told = [str(error)]
    assert all(told)
    assert "\n" not in "".join(told)
