"""What must not be skipped, and what was given of an AWS that runs already."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

__all__ = ["GIVEN_ENDPOINT", "required", "skip_or_fail"]

_ENDPOINTS = ("AWS_ENDPOINT_URL", "LOCALSTACK_HOST")
_KEPT = "TESTS_GIVEN_"  # no VPCFLOW_ name: those are settings


def _set_aside() -> dict[str, str]:
    """Take the endpoints out of the environment: an emulated AWS is meant for those tests that ask for it here.

    They stay there under another name for the workers of pytest-xdist, which inherit what is left.
    """
    for name in _ENDPOINTS:
        if value := os.environ.pop(name, ""):
            os.environ[_KEPT + name] = value
    return {name: os.environ[_KEPT + name] for name in _ENDPOINTS if _KEPT + name in os.environ}


GIVEN_ENDPOINT = _set_aside()


def required(part: str) -> bool:
    """Tell whether VPCFLOW_TEST_REQUIRE, a comma list, names a part of the tests."""
    return part in os.environ.get("VPCFLOW_TEST_REQUIRE", "").split(",")


def skip_or_fail(part: str, reason: str) -> NoReturn:
    """Leave out a test whose part cannot be had, loudly; fail where that part is required."""
    if required(part):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
