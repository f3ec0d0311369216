"""What AWS makes of an answer, for both sources that can be answered in part."""

from __future__ import annotations

import pytest

from tests.eventsources.emulator.answers import WholeBatch, failures, said_explicitly
from tests.eventsources.emulator.function import Said

SUCCESSES = [b'{"batchItemFailures": []}', b'{"batchItemFailures": null}', b"{}", b"null", b'{"other": 1}']
WHOLE = {
    "no JSON": b"batchItemFailures",
    "an empty identifier": b'{"batchItemFailures": [{"itemIdentifier": ""}]}',
    "a null identifier": b'{"batchItemFailures": [{"itemIdentifier": null}]}',
    "a bad key name": b'{"batchItemFailures": [{"messageId": "a"}]}',
    "an unknown identifier": b'{"batchItemFailures": [{"itemIdentifier": "z"}]}',
    "one good and one unknown": b'{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "z"}]}',
}
WHOLE_ASSUMED = {
    "an identifier that is a number": b'{"batchItemFailures": [{"itemIdentifier": 1}]}',
    "entries that are no objects": b'{"batchItemFailures": ["a"]}',
    "a list that is an object": b'{"batchItemFailures": {"itemIdentifier": "a"}}',
    "a list that is a text": b'{"batchItemFailures": "a"}',
    "an answer that is a list": b'[{"itemIdentifier": "a"}]',
    "an answer that is a text": b'"done"',
    "an answer that is a number": b"0",
}


@pytest.mark.parametrize("payload", SUCCESSES)
def test_a_complete_success(payload: bytes) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#sqs-batchfailurereporting-conditions.

    "An empty batchItemFailures list, a null batchItemFailures list, an empty EventResponse, a null EventResponse."
    """
    assert failures(Said(payload), ["a", "b"], reporting=True) == set()


@pytest.mark.parametrize("name", WHOLE)
def test_a_complete_failure(name: str) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#sqs-batchfailurereporting-conditions.

    "An invalid JSON response, an empty string itemIdentifier, a null itemIdentifier, an itemIdentifier with a bad key name",
    "an itemIdentifier value with a message ID that doesn't exist". For Kinesis the last two of these tests are *assumed*:
    https://docs.aws.amazon.com/lambda/latest/dg/services-kinesis-batchfailurereporting.html.
    """
    with pytest.raises(WholeBatch):
        failures(Said(WHOLE[name]), ["a", "b"], reporting=True)


@pytest.mark.parametrize("name", WHOLE_ASSUMED)
def test_an_answer_of_another_shape_fails_the_batch(name: str) -> None:
    """*Assumed*: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html names no such answers."""
    with pytest.raises(WholeBatch):
        failures(Said(WHOLE_ASSUMED[name]), ["a", "b"], reporting=True)


def test_an_error_of_the_function_fails_the_batch_whatever_is_reported() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting."""
    for reporting in (True, False):
        with pytest.raises(WholeBatch, match="boom"):
            failures(Said(b'{"errorMessage": "boom"}', failed=True), ["a"], reporting=reporting)


def test_identifiers_are_taken_as_they_are() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html#services-sqs-batchfailurereporting."""
    said = Said(b'{"batchItemFailures": [{"itemIdentifier": "b"}, {"itemIdentifier": "b"}]}')
    assert failures(said, ["a", "b"], reporting=True) == {"b"}


def test_without_report_batch_item_failures_an_answer_is_not_looked_at() -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html: the feature has to be turned on."""
    said = Said(b'{"batchItemFailures": [{"itemIdentifier": "a"}]}')
    assert failures(said, ["a"], reporting=False) == set()
    assert failures(Said(b"no JSON"), ["a"], reporting=False) == set()


def test_a_success_may_be_said_or_only_be_taken_for_one() -> None:
    assert said_explicitly(Said(b'{"batchItemFailures": []}'))
    assert not any(said_explicitly(Said(payload)) for payload in SUCCESSES[1:])
