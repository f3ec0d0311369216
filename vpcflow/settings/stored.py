"""Small files that settings are made of, on this machine or in S3."""

from __future__ import annotations

from pathlib import Path

from vpcflow.errors import ConfigError

__all__ = ["S3", "read_stored"]

S3 = "s3://"


def read_stored(
    name: str, most: int, *, where: str, advice: str, hint: str, region: str = "", endpoint: str = ""
) -> bytes:
    """Return what lies there; one byte more than `most` where that is too much.

    Args:
        name: a path, or `s3://BUCKET/KEY`: one GetObject.
        most: bytes.
        where: the thing, for errors.
        advice: what to do where there is no such file.
        hint: the setting that names it.
        region: of the bucket; "": the environment's.
        endpoint: override, for emulators and VPC endpoints.

    Raises:
        ConfigError: not there, or not for us.
    """
    if name.startswith(S3):
        return _object(name, most, where, hint, region, endpoint)
    try:
        with Path(name).open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise ConfigError(f"{where}: {error.strerror}; {advice}") from error


def _object(name: str, most: int, where: str, hint: str, region: str, endpoint: str) -> bytes:
    from vpcflow.aws import client, explained

    bucket, _, key = name.removeprefix(S3).partition("/")
    if not bucket or not key:
        raise ConfigError(f"{where}: write s3://BUCKET/KEY")
    s3 = client("s3", region=region, endpoint=endpoint, error=ConfigError)
    try:
        with explained(where, hint, ConfigError):
            content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read(most + 1)
    finally:
        s3.close()
    return content
