"""Calls of AWS, by the names of its API: made for real, or only said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from vpcflow.aws import explained
from vpcflow.errors import EX_CONFIG, EX_TEMPFAIL, VpcFlowError

__all__ = ["Account", "Aws", "AwsError", "Rehearsal", "pages"]

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 10, 60, 6
_SHOWN = 70  # characters of one parameter


class AwsError(VpcFlowError):
    """AWS did not do it. `code`: its own word; "" where it was not reached."""

    exit_code = EX_TEMPFAIL
    code = ""


class Account(Protocol):
    """An account in a region. rehearsing: nothing is done, answers are made up."""

    region: str
    rehearsing: bool

    def call(self, service: str, operation: str, **parameters: object) -> dict[str, Any]:
        """Call an operation of AWS's API, e.g. `s3`, `PutObject`; return its answer. Raises AwsError."""
        ...


class Aws:
    """The real one. Clients are made when they are first needed."""

    rehearsing = False

    def __init__(self, *, region: str = "", profile: str = "", endpoint: str = "") -> None:
        """Raises AwsError: no boto3, no such profile, no region.

        Args:
            region: "" takes what AWS_REGION, AWS_DEFAULT_REGION or the profile say.
            profile: of the AWS configuration; "" takes what AWS_PROFILE says.
            endpoint: a URL instead of AWS's own.
        """
        try:
            import boto3
            from botocore.exceptions import ProfileNotFound
            from botocore.session import Session
        except ImportError as missing:
            raise AwsError(
                "boto3 is not installed; pip install 'vpcflow-stream[cli]'", exit_code=EX_CONFIG
            ) from missing
        chosen = {"region_of_all_sdks": (None, "AWS_REGION", None, None)}
        try:
            core = Session(profile=profile or None, session_vars=chosen)
            self.region = region or core.get_config_variable("region_of_all_sdks") or core.get_config_variable("region")
            if not self.region:
                raise AwsError("no AWS region; say --region or set AWS_REGION", exit_code=EX_CONFIG)
            self._session = boto3.Session(botocore_session=core, region_name=self.region)
        except ProfileNotFound as failure:
            raise AwsError(f"--profile: {failure}", exit_code=EX_CONFIG) from failure
        self._endpoint = endpoint or None
        self._clients: dict[str, Any] = {}

    def call(self, service: str, operation: str, **parameters: object) -> dict[str, Any]:
        """See `Account.call`."""
        from botocore import xform_name
        from botocore.exceptions import ClientError

        try:
            with explained(f"{service}:{operation}", "its parameters", AwsError):
                method: Callable[..., dict[str, Any]] = getattr(self._client(service), xform_name(operation))
                return method(**parameters)
        except AwsError as error:
            if isinstance(error.__cause__, ClientError):
                error.code = error.__cause__.response.get("Error", {}).get("Code", "")
            raise

    def _client(self, service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        if service not in self._clients:
            from botocore.config import Config

            config = Config(
                connect_timeout=_CONNECT_SECONDS,
                read_timeout=_READ_SECONDS,
                retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            )
            self._clients[service] = self._session.client(service, endpoint_url=self._endpoint, config=config)
        return self._clients[service]


class Rehearsal:
    """Says each call, and answers what is needed to go on. No credentials, no network."""

    rehearsing = True

    def __init__(self, say: Callable[[str], None], *, region: str, answers: Mapping[str, dict[str, Any]]) -> None:
        """Keep what to answer, by `service:Operation`; other calls get an empty answer."""
        self.region = region
        self._say, self._answers = say, answers

    def call(self, service: str, operation: str, **parameters: object) -> dict[str, Any]:
        """See `Account.call`."""
        told = " ".join(f"{name}={_shown(value)}" for name, value in parameters.items())
        self._say(f"    {service}:{operation} {told}".rstrip())
        return self._answers.get(f"{service}:{operation}", {})


def pages(account: Account, service: str, operation: str, token: tuple[str, str], **given: object) -> Iterator[Any]:
    """Yield the answers of an operation that answers in pages.

    Args:
        account: that is asked.
        service: of AWS.
        operation: of the service.
        token: names of the token in the answer, and in the next request.
        given: parameters of each request.
    """
    more: dict[str, object] = {}
    while True:
        answer = account.call(service, operation, **given, **more)
        yield answer
        if not answer.get(token[0]):
            return
        more = {token[1]: answer[token[0]]}


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if isinstance(value, list) and len(value) > 1:
        return f"[{len(value)}: {_shown(value[0])}, …]"
    text = re.sub(r"\s+", " ", str(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
