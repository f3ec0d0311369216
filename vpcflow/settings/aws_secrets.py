"""Secrets that AWS keeps: `aws-secretsmanager:NAME`, `aws-secretsmanager:NAME#key`, `ssm:/path/name`.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html and
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html. NAME is a name or an ARN. boto3 is
imported only when a setting asks for one of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from vpcflow.settings.secrets import SecretError

__all__ = ["KINDS", "PAUSE_SECONDS", "read"]

KINDS = {"aws-secretsmanager": "Secrets Manager", "ssm": "Parameter Store"}
PAUSE_SECONDS = 30.0  # between readings after a refused request
_REGION_AT = 3  # arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME
_TIMEOUT_SECONDS = 10
_GONE = {"ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound"}


def read(kind: str, name: str, environ: Mapping[str, str]) -> str:
    """Return the secret's text without the white space around it.

    Args:
        kind: of `KINDS`.
        name: what follows the colon.
        environ: where AWS_REGION is looked for if the SDK's own configuration has no region.

    Raises:
        SecretError: not there, not allowed, not text, no region, no credentials, no answer, no boto3.
    """
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise SecretError(f"{KINDS[kind]} needs the package boto3; pip install boto3") from error
    asked, _, member = name.partition("#") if kind == "aws-secretsmanager" else (name, "", "")
    parts = asked.split(":")
    region = parts[_REGION_AT] if parts[0] == "arn" and len(parts) > _REGION_AT else ""
    config = Config(
        connect_timeout=_TIMEOUT_SECONDS,
        read_timeout=_TIMEOUT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    service = "secretsmanager" if kind == "aws-secretsmanager" else "ssm"
    try:
        session = boto3.Session()
        where = region or session.region_name or environ.get("AWS_REGION") or None
        client = session.client(service, region_name=where, config=config)
        try:
            text = _GETTERS[kind](client, asked)
        finally:
            client.close()
    except ClientError as error:
        raise SecretError(_refusal(KINDS[kind], asked, error.response.get("Error", {}))) from error
    except BotoCoreError as error:  # no region, no credentials, no connection: in its own words, which hold no secret
        raise SecretError(f"{KINDS[kind]} cannot be asked for {asked}: {' '.join(str(error).split())}") from error
    return (_member(text, asked, member) if member else text).strip()


def _from_manager(client: Any, name: str) -> str:  # noqa: ANN401 - boto3's clients are made at run time
    answer = client.get_secret_value(SecretId=name)
    if "SecretString" not in answer:
        raise SecretError(f"the secret {name} holds bytes, not text")
    return str(answer["SecretString"])


def _from_store(client: Any, name: str) -> str:  # noqa: ANN401 - boto3's clients are made at run time
    return str(client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])


_GETTERS: dict[str, Callable[[Any, str], str]] = {"aws-secretsmanager": _from_manager, "ssm": _from_store}


def _refusal(service: str, name: str, error: Mapping[str, str]) -> str:
    code = error.get("Code", "")
    if code in _GONE:
        return f"{service} has no {name} in this account and region"
    return f"{service} does not give out {name}: {code}: {' '.join(error.get('Message', '').split())}"


def _member(text: str, name: str, member: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:  # its message may quote the secret
        value = None
    if not isinstance(value, dict):
        raise SecretError(f"the secret {name} is no JSON object, so it has no key {member}")
    found = value.get(member)
    if not isinstance(found, str):
        raise SecretError(
            f"the secret {name} has no text under the key {member}; its keys are {', '.join(sorted(value))}"
        )
    return found
