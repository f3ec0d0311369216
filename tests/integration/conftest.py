"""One LocalStack for all flows: names are each test's own, and what it made is deleted by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.integration.localstack.endpoint import LocalStack, running
from tests.required import GIVEN_ENDPOINT, skip_or_fail
from vpcflow.stack import StackError


@pytest.fixture(scope="session")
def localstack() -> Iterator[LocalStack]:
    """The LocalStack that AWS_ENDPOINT_URL or LOCALSTACK_HOST names and that answers, else one of our own."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(running(GIVEN_ENDPOINT))
        except StackError as error:
            skip_or_fail("localstack", f"LocalStack is not to be had: {error}")
        yield found
