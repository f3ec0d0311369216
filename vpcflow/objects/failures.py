"""Why an object cannot be had, told by what the caller must do next.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
"""

from __future__ import annotations

from typing import Any

from vpcflow.errors import EX_CONFIG, EX_DATAERR, EX_NOPERM, EX_TEMPFAIL, VpcFlowError

__all__ = ["Lost", "ObjectAway", "ObjectChanged", "ObjectDenied", "ObjectError", "ObjectGone", "refusal"]


class ObjectError(VpcFlowError):
    """An object was not read, or not to its end."""


class ObjectGone(ObjectError):
    """It is not there, and will not come back: settle it as a dead letter."""

    exit_code = EX_DATAERR


class ObjectDenied(ObjectError):
    """It may not be read until a person changes something: give its message back."""

    exit_code = EX_NOPERM


class ObjectAway(ObjectError):
    """S3 did not give it now: give its message back, and it will be tried again."""

    exit_code = EX_TEMPFAIL


class ObjectChanged(ObjectAway):
    """It was overwritten while it was read: read the new one from its beginning."""


class Lost(Exception):
    """One request brought nothing, or not all; another one may. Never leaves this room."""


_READ = "s3:GetObject on the object (with a version: s3:GetObjectVersion)"
_DENIED = (
    f"allow the role {_READ}, in its policy and in the bucket's; where the bucket is Requester Pays, turn that off or read it "
    "with a role of the bucket's own account; without s3:ListBucket this can also mean that the object is gone"
)
_KMS = "allow the role kms:Decrypt on the bucket's key, in its policy and, for a key of another account, in the key's policy"
_KEY = "enable the KMS key that the object is encrypted with, or restore it"
_CREDENTIALS = "give the function a role with valid credentials"
_CLASS = "it is archived: restore it (s3:RestoreObject), then send its message again"
_REGION = "set objects.region to the bucket's region"
_SSE_C = "an object encrypted with a customer's own key (SSE-C) cannot be read: write it with SSE-S3 or SSE-KMS"

_ADVICE: dict[str, tuple[str, int]] = {
    "AccessDenied": (_DENIED, EX_NOPERM),
    "AllAccessDisabled": (_DENIED, EX_NOPERM),
    "AccountProblem": (_DENIED, EX_NOPERM),
    "InvalidAccessKeyId": (_CREDENTIALS, EX_NOPERM),
    "SignatureDoesNotMatch": (_CREDENTIALS, EX_NOPERM),
    "InvalidToken": (_CREDENTIALS, EX_NOPERM),
    "ExpiredToken": (_CREDENTIALS, EX_NOPERM),
    "InvalidObjectState": (_CLASS, EX_NOPERM),
    "NoSuchBucket": ("correct the bucket's name, or objects.s3_endpoint", EX_CONFIG),
    "PermanentRedirect": (_REGION, EX_CONFIG),
    "AuthorizationHeaderMalformed": (_REGION, EX_CONFIG),
    "IllegalLocationConstraintException": (_REGION, EX_CONFIG),
    "InvalidRequest": (_SSE_C, EX_CONFIG),
}
_NOT_THERE = {"NoSuchKey", "NoSuchVersion", "404"}
_AGAIN = {"RequestTimeout", "SlowDown", "RequestTimeTooSkewed"}
_CHANGED = {"PreconditionFailed", "InvalidRange", "412", "416"}
_FORBIDDEN, _MISSING, _NO_METHOD, _TIMEOUT, _TOO_MANY, _SERVER = 403, 404, 405, 408, 429, 500


def refusal(where: str, response: dict[str, Any]) -> ObjectError | Lost:
    """Return what an error answer of S3 means.

    Args:
        where: `s3://bucket/key`.
        response: botocore's `ClientError.response`.
    """
    error, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
    code = str(error.get("Code") or "")
    words = " ".join(str(error.get("Message") or code).split())
    status = meta.get("HTTPStatusCode", 0)
    marker = meta.get("HTTPHeaders", {}).get("x-amz-delete-marker") == "true"
    if code in _CHANGED:
        return ObjectChanged(f"{where}: overwritten while it was read ({code}); read it again from its beginning")
    if marker or code in _NOT_THERE or status == _NO_METHOD or (status == _MISSING and code not in _ADVICE):
        what = "a delete marker stands in its place" if marker or status == _NO_METHOD else words
        return ObjectGone(f"{where}: gone: {what}; if its lines are needed, restore it and send its message again")
    if code in _AGAIN or status in {_TIMEOUT, _TOO_MANY} or status >= _SERVER:
        return Lost(f"{code}: {words}")
    advice, exit_code = _advice(code, words, status)
    if advice:
        return ObjectDenied(f"{where}: {code}: {words}; {advice}", exit_code=exit_code)
    return ObjectAway(f"{where}: {code}: {words}; try again later")


def _advice(code: str, words: str, status: int) -> tuple[str, int]:
    if code.startswith("KMS.") or "kms:" in words.lower():
        return (_KMS if status == _FORBIDDEN or "AccessDenied" in code else _KEY), EX_NOPERM
    return _ADVICE.get(code, (_DENIED if status == _FORBIDDEN else "", EX_NOPERM))
