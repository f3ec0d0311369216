"""Clients of AWS with bounded patience, and their errors in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from vpcflow.errors import EX_CONFIG, EX_NOPERM, EX_TEMPFAIL, DeadLetterError, VpcFlowError

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
_DENIED |= {"UnauthorizedOperation", "AuthFailure"}  # EC2's own words
_MISSING = {"NoSuchBucket", "404", "NoSuchKey", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}


def client(
    service: str,
    *,
    region: str = "",
    endpoint: str = "",
    read_seconds: float = _READ_SECONDS,
    connect_seconds: float = _CONNECT_SECONDS,
    attempts: int = 0,
    error: type[VpcFlowError] = DeadLetterError,
) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a boto3 client that gives up: finite timeouts, few attempts. boto3 is imported here, for those who need it.

    Args:
        service: its name in boto3, e.g. `s3`.
        region: "" takes what AWS_REGION says, as every SDK of AWS but boto3 does, else what boto3 finds for itself.
        endpoint: a URL instead of AWS's own.
        read_seconds: so long an answer may be silent.
        connect_seconds: so long may it take to be connected.
        attempts: how often boto3 itself sends a request; 0: as often as is good for most. 1 for those who try again themselves.
        error: what is raised.

    Raises:
        VpcFlowError: of the kind asked for: no boto3, no region, or one that cannot be.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import ProfileNotFound
        from botocore.session import Session
    except ImportError as missing:
        raise error(f"{service}: boto3 is not installed; pip install boto3", exit_code=EX_CONFIG) from missing
    config = Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": attempts or _ATTEMPTS},
    )
    with explained(service, "", error):
        try:
            session = Session(session_vars={"region_of_all_sdks": (None, "AWS_REGION", None, None)})
            session.register_component("data_loader", _descriptions(session.get_config_variable("data_path")))
            where = region or session.get_config_variable("region_of_all_sdks") or None
            made = boto3.Session(botocore_session=session)
            return made.client(service, region_name=where, endpoint_url=endpoint or None, config=config)
        except (ProfileNotFound, ValueError) as failure:  # no region can be called so, no endpoint be written so
            message = f"{service}: {failure}; correct the region, the endpoint or the profile"
            raise error(message, exit_code=EX_CONFIG) from failure


@cache
def _descriptions(path: str | None) -> Any:  # noqa: ANN401 - botocore has no types
    """Return what reads botocore's descriptions of services and endpoints, once: that is most of a client's making."""
    from botocore.loaders import create_loader

    return create_loader(path)


@contextmanager
def explained(what: str, hint: str, error: type[VpcFlowError] = DeadLetterError) -> Iterator[None]:
    """Turn an error of boto3 into one of ours, of one line: what was tried, AWS's own words, what to do.

    Args:
        what: the thing, e.g. `s3://bucket/key`.
        hint: the settings to look at when it is not there, or not ours.
        error: what is raised; its exit code is set by what happened.

    Raises:
        VpcFlowError: of the kind asked for.
    """
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        NoCredentialsError,
        NoRegionError,
        ParamValidationError,
        PartialCredentialsError,
    )

    try:
        yield
    except ClientError as failure:
        code = failure.response.get("Error", {}).get("Code", "")
        said = " ".join(str(failure.response.get("Error", {}).get("Message") or code).split())
        if code in _DENIED:
            advice = "give the role the permission"
            raise error(f"{what}: {code}: {said}; {advice}", exit_code=EX_NOPERM) from failure
        if code in _MISSING:
            advice = f"make it, or correct {hint}" if hint else "correct the name"
            raise error(f"{what}: {code}: {said}; {advice}", exit_code=EX_CONFIG) from failure
        raise error(f"{what}: {code}: {said}; try again later", exit_code=EX_TEMPFAIL) from failure
    except (NoCredentialsError, PartialCredentialsError) as failure:
        advice = "give this process a role, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        raise error(f"{what}: no AWS credentials; {advice}", exit_code=EX_NOPERM) from failure
    except NoRegionError as failure:
        raise error(f"{what}: no AWS region; set AWS_REGION", exit_code=EX_CONFIG) from failure
    except ParamValidationError as failure:
        advice = f"correct {hint}" if hint else "correct the name"
        raise error(f"{what}: no such name can be; {advice}", exit_code=EX_CONFIG) from failure
    except BotoCoreError as failure:
        raise error(f"{what}: {' '.join(str(failure).split())}; try again later", exit_code=EX_TEMPFAIL) from failure
