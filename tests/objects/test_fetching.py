"""Bytes of an object through everything that a connection and S3 can do to them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.objects.stores import Fault, Store, Stored
from vpcflow.clock import FakeClock, SystemClock
from vpcflow.errors import EX_CONFIG, EX_DATAERR, EX_NOPERM, EX_TEMPFAIL, Stopped
from vpcflow.objects.failures import ObjectAway, ObjectChanged, ObjectDenied, ObjectError, ObjectGone
from vpcflow.objects.fetching import ObjectReader, read
from vpcflow.objects.reference import ObjectRef, Resume

REF = ObjectRef(bucket="logs", key="a b/ü+%.log.gz")
DATA = random.Random(1).randbytes(300_000)


def reader_of(store: Store, ref: ObjectRef = REF, *, attempts: int = 3, seconds: float = 60) -> ObjectReader:
    return read(store.client(seconds), ref, clock=FakeClock(), attempts=attempts)


def failure(store: Store, ref: ObjectRef = REF, **more: int) -> ObjectError:
    with pytest.raises(ObjectError) as caught:
        b"".join(reader_of(store, ref, **more).chunks())
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{ref.url}: ")
    return caught.value


def test_an_object_in_one_request(store: Store) -> None:
    stored = store.put(REF.key, DATA)
    reader = reader_of(store)
    assert (reader.etag, reader.size, reader.changed) == (stored.etag, len(DATA), False)
    assert b"".join(reader.chunks()) == DATA
    assert len(store.requests) == 1


def test_empty_object(store: Store) -> None:
    store.put(REF.key, b"")
    assert list(reader_of(store).chunks()) == []


@pytest.mark.parametrize("after", [0, 1, 65_535, 65_536, 65_537, 150_000, len(DATA) - 1])
def test_a_dropped_connection_is_resumed_where_it_broke(store: Store, after: int) -> None:
    stored = store.put(REF.key, DATA)
    store.faults = [Fault(after=after)]
    assert b"".join(reader_of(store).chunks()) == DATA
    again = store.requests[1]
    assert again["if-match"] == f'"{stored.etag}"'
    assert int(again["range"].removeprefix("bytes=").split("-")[0]) <= after


def test_connections_that_drop_at_many_places_lose_and_double_no_byte(store: Store) -> None:
    data = DATA[:20_000]
    store.put(REF.key, data)
    store.faults = [Fault(after=n) for n in (1, 2, 3, 700, 1, 5000, 1, 1)]
    assert b"".join(reader_of(store, attempts=2).chunks()) == data


def test_attempts_are_counted_in_a_row_without_a_byte(store: Store) -> None:
    store.put(REF.key, DATA)
    cut = Fault(after=70_000)
    nothing = Fault(after=0)
    store.faults = [cut, nothing, nothing, replace(cut), nothing, nothing]
    assert b"".join(reader_of(store, attempts=4).chunks()) == DATA
    store.requests.clear()
    store.faults = [replace(cut), *(Fault(after=0) for _ in range(9))]
    error = failure(store, attempts=4)
    assert isinstance(error, ObjectAway)
    assert error.exit_code == EX_TEMPFAIL
    assert "4 requests in a row" in str(error)
    assert len(store.requests) == 1 + 4


def test_a_silent_server_is_left_after_read_seconds(store: Store) -> None:
    store.put(REF.key, DATA)
    store.faults = [Fault(after=100_000, stall=True)]
    assert b"".join(reader_of(store, seconds=2).chunks()) == DATA
    assert len(store.requests) == 2


def test_a_server_that_is_silent_for_ever_is_given_up(store: Store) -> None:
    store.put(REF.key, DATA)
    store.faults = [Fault(after=0, stall=True) for _ in range(5)]
    with pytest.raises(ObjectAway, match="2 requests in a row"):
        b"".join(reader_of(store, seconds=0.2, attempts=2).chunks())


@pytest.mark.parametrize(
    ("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (429, "TooManyRequests"), (408, "")]
)
def test_a_busy_s3_is_asked_again_after_a_wait(store: Store, status: int, code: str) -> None:
    store.put(REF.key, DATA)
    clock = FakeClock()
    busy = Fault(status=status, code=code, message="Please reduce your request rate.")
    store.faults = [busy, busy, Fault(after=1000), replace(busy)]
    reader = read(store.client(), REF, clock=clock, attempts=4)
    assert b"".join(reader.chunks()) == DATA
    assert clock.now > 0
    store.faults = [busy] * 4
    assert isinstance(failure(store, attempts=4), ObjectAway)


def test_nobody_listens(store: Store) -> None:
    store.stop()
    client = store.client()
    with pytest.raises(ObjectAway, match="at its beginning"):
        read(client, REF, clock=FakeClock(), attempts=2)


def test_a_stop_ends_the_waiting(store: Store) -> None:
    store.faults = [Fault(status=503, code="SlowDown")] * 5
    with pytest.raises(Stopped):
        read(store.client(), REF, clock=SystemClock(), attempts=5, should_stop=lambda: True)
    assert len(store.requests) == 1


def test_a_stop_ends_the_reading(store: Store) -> None:
    store.put(REF.key, DATA)
    asked: list[bool] = []
    chunks = read(store.client(), REF, clock=SystemClock(), should_stop=lambda: bool(asked)).chunks()
    got = next(chunks) + next(chunks)
    assert len(got) < len(DATA)
    asked.append(True)
    with pytest.raises(Stopped, match="while it was read"):
        next(chunks)


def test_an_object_that_is_overwritten_in_the_middle_is_never_mixed(store: Store) -> None:
    store.put(REF.key, DATA)
    store.faults = [Fault(after=100_000), Fault(becomes=Stored(b"other" * 60_000))]
    got: list[bytes] = []
    with pytest.raises(ObjectChanged, match="read it again from its beginning") as caught:
        got.extend(reader_of(store).chunks())
    assert len(b"".join(got)) == 100_000
    assert DATA.startswith(b"".join(got))
    assert caught.value.exit_code == EX_TEMPFAIL
    assert len(store.requests) == 2


def test_a_server_that_heeds_no_condition_is_found_out_by_its_etag(store: Store) -> None:
    stored = store.put(REF.key, DATA)
    reader = reader_of(store)
    reader.close()
    store.put(REF.key, DATA[::-1], etag="x" * 32)
    client = reader._s3
    real = client.get_object
    client.get_object = lambda **wanted: real(**{k: v for k, v in wanted.items() if k != "IfMatch"})
    with pytest.raises(ObjectChanged):
        reader.span(0, 10)
    assert reader.etag == stored.etag


def test_a_server_that_does_not_heed_the_range_is_not_believed(store: Store) -> None:
    store.put(REF.key, DATA)
    store.faults = [Fault(after=100_000), Fault(whole=True)]
    assert "got others" in str(failure(store))


def test_an_object_that_became_shorter(store: Store) -> None:
    stored = store.put(REF.key, DATA)
    store.faults = [Fault(after=100_000), Fault(becomes=Stored(b"short", etag=stored.etag))]
    assert isinstance(failure(store), ObjectChanged)


def test_a_resume_reads_the_object_that_it_was_meant_for(store: Store) -> None:
    stored = store.put(REF.key, DATA)
    reader = reader_of(store, replace(REF, resume=Resume(etag=stored.etag, line=7)))
    assert store.requests[0]["if-match"] == f'"{stored.etag}"'
    assert not reader.changed
    reader.close()


def test_a_resume_of_another_object_begins_anew(store: Store) -> None:
    stored = store.put(REF.key, DATA)
    reader = reader_of(store, replace(REF, resume=Resume(etag="0" * 32, line=7)))
    assert reader.changed
    assert reader.etag == stored.etag
    assert b"".join(reader.chunks()) == DATA


def test_a_version_is_read_and_named_by_its_etag(store: Store) -> None:
    stored = store.put(REF.key, DATA, version="v1")
    reader = reader_of(store, replace(REF, version_id="v1"))
    assert store.requests[0]["version"] == "v1"
    assert reader.etag == stored.etag
    reader.close()
    assert isinstance(failure(store, replace(REF, version_id="v0")), ObjectGone)


def test_the_etag_of_the_notification_is_no_condition(store: Store) -> None:
    stored = store.put(REF.key, DATA)
    reader = reader_of(store, replace(REF, etag="0" * 32))
    assert reader.etag == stored.etag
    assert "if-match" not in store.requests[0]
    reader.close()


KMS = "User: arn:aws:sts::1:assumed-role/r is not authorized to perform: kms:Decrypt on this resource"
REFUSED = [
    (404, "NoSuchKey", "The specified key does not exist.", {}, ObjectGone, EX_DATAERR, "gone"),
    (404, "", "", {"x-amz-delete-marker": "true"}, ObjectGone, EX_DATAERR, "delete marker"),
    (405, "MethodNotAllowed", "", {"x-amz-delete-marker": "true"}, ObjectGone, EX_DATAERR, "delete marker"),
    (404, "NoSuchBucket", "The specified bucket does not exist", {}, ObjectDenied, EX_CONFIG, "objects.s3_endpoint"),
    (403, "AccessDenied", "Access Denied", {}, ObjectDenied, EX_NOPERM, "s3:GetObject"),
    (403, "AccessDenied", "Access Denied", {}, ObjectDenied, EX_NOPERM, "Requester Pays"),
    (403, "AccessDenied", KMS, {}, ObjectDenied, EX_NOPERM, "allow the role kms:Decrypt"),
    (400, "KMS.DisabledException", "The key is disabled", {}, ObjectDenied, EX_NOPERM, "enable the KMS key"),
    (403, "InvalidObjectState", "The operation is not valid", {}, ObjectDenied, EX_NOPERM, "s3:RestoreObject"),
    (403, "SignatureDoesNotMatch", "…", {}, ObjectDenied, EX_NOPERM, "credentials"),
    (400, "ExpiredToken", "The provided token has expired.", {}, ObjectDenied, EX_NOPERM, "credentials"),
    (400, "AuthorizationHeaderMalformed", "the region is wrong", {}, ObjectDenied, EX_CONFIG, "objects.region"),
    (400, "InvalidRequest", "Server Side Encryption parameters", {}, ObjectDenied, EX_CONFIG, "SSE-C"),
    (400, "Unheard", "of", {}, ObjectAway, EX_TEMPFAIL, "try again later"),
]


@pytest.mark.parametrize(("status", "code", "message", "headers", "kind", "exit_code", "advice"), REFUSED)
def test_a_refusal_says_what_to_do(
    store: Store,
    status: int,
    code: str,
    message: str,
    headers: dict[str, str],
    kind: type[ObjectError],
    exit_code: int,
    advice: str,
) -> None:
    store.put(REF.key, DATA)
    store.faults = [Fault(status=status, code=code, message=message, headers=headers)]
    error = failure(store)
    assert type(error) is kind
    assert error.exit_code == exit_code
    assert advice in str(error)
    assert len(store.requests) == 1


def test_a_refusal_in_the_middle(store: Store) -> None:
    store.put(REF.key, DATA)
    store.faults = [Fault(after=10), Fault(status=403, code="AccessDenied")]
    assert isinstance(failure(store), ObjectDenied)


def test_spans(store: Store) -> None:
    store.put(REF.key, DATA)
    reader = ObjectReader(store.client(), REF, clock=FakeClock(), attempts=3)
    assert reader.open_end(1000) == DATA[-1000:]
    assert reader.size == len(DATA)
    store.faults = [Fault(after=3), Fault(after=4)]
    assert reader.span(5, 90_000) == DATA[5:90_005]
    assert reader.span(len(DATA) - 5, 90) == DATA[-5:]
    assert reader.span(len(DATA), 1) == b""
    assert len(store.requests) == 5


def test_the_end_of_small_and_empty_objects(store: Store) -> None:
    for data in (b"", b"abc"):
        store.put(REF.key, data)
        for ref in (REF, replace(REF, resume=Resume(etag="0" * 32, line=1))):
            reader = ObjectReader(store.client(), ref, clock=FakeClock(), attempts=3)
            assert reader.open_end(1000) == data
            assert reader.changed is (ref is not REF)


def test_a_bucket_that_cannot_be(store: Store) -> None:
    error = failure(store, replace(REF, bucket="no/bucket"))
    assert error.exit_code == EX_CONFIG


def test_without_credentials(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert failure(store).exit_code == EX_NOPERM
