"""Clients of AWS with bounded patience, and their errors in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vpcflow.errors import EX_CONFIG, EX_NOPERM, DeadLetterError

__all__ = ["client", "explained"]

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 5, 30, 4
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "403",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
}
_DENIED |= {"InvalidClientTokenId", "UnrecognizedClientException", "ExpiredTokenException", "KMS.AccessDeniedException"}
_MISSING = {"NoSuchBucket", "404", "NoSuchKey", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}


def client(service: str, *, region: str = "", endpoint: str = "") -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a boto3 client that gives up: finite timeouts, few attempts. boto3 is imported here, for those who need it.

    Raises:
        DeadLetterError: no boto3, no region.
    """
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise DeadLetterError(f"{service}: boto3 is not installed; pip install boto3", exit_code=EX_CONFIG) from error
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
    )
    with explained(service, ""):
        return boto3.Session().client(service, region_name=region or None, endpoint_url=endpoint or None, config=config)


@contextmanager
def explained(what: str, hint: str) -> Iterator[None]:
    """Turn an error of boto3 into a DeadLetterError of one line: what was tried, AWS's own words, what to do.

    Args:
        what: the thing, e.g. `s3://bucket/key`.
        hint: the settings to look at when it is not there, or not ours.
    """
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        said = " ".join(str(error.response.get("Error", {}).get("Message") or code).split())
        if code in _DENIED:
            advice = "give the role the permission"
            raise DeadLetterError(f"{what}: {code}: {said}; {advice}", exit_code=EX_NOPERM) from error
        if code in _MISSING:
            advice = f"make it, or correct {hint}" if hint else "correct the name"
            raise DeadLetterError(f"{what}: {code}: {said}; {advice}", exit_code=EX_CONFIG) from error
        raise DeadLetterError(f"{what}: {code}: {said}; try again later") from error
    except NoCredentialsError as error:
        advice = "give this process a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise DeadLetterError(f"{what}: no AWS credentials; {advice}", exit_code=EX_NOPERM) from error
    except NoRegionError as error:
        raise DeadLetterError(f"{what}: no AWS region; set AWS_REGION", exit_code=EX_CONFIG) from error
    except BotoCoreError as error:
        raise DeadLetterError(f"{what}: {' '.join(str(error).split())}; try again later") from error
