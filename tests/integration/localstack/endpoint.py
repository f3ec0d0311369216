"""A LocalStack that runs, whoever started it: one that was given, else one of our own."""

from __future__ import annotations

import contextlib
import io
import json
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from localstack_client.session import Session

from tests.integration.localstack.host import HostLocalStack, answers
from vpcflow.stack.cache import Cache
from vpcflow.stack.errors import StackError
from vpcflow.stack.streams import CREDENTIALS

__all__ = ["LocalStack", "given", "running"]

_ROLE = "arn:aws:iam::000000000000:role/test"
_ACTIVE_SECONDS = 180.0
_TELL = "import sys\ndef handler(event, context):\n    return '{}.{}'.format(*sys.version_info)\n"


class LocalStack:
    """url: its address. owned: it is ours, and ends with the session of the tests."""

    def __init__(self, url: str, *, owned: bool) -> None:
        self.url, self.owned = url, owned
        self._session = Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=CREDENTIALS["AWS_REGION"],
            localstack_host=urlsplit(url).netloc,
        )

    @contextlib.contextmanager
    def client(self, service: str) -> Iterator[Any]:
        """Give a boto3 client, closed afterwards."""
        path = {"addressing_style": "path"}  # no name is looked up
        made = self._session.client(service, config=Config(proxies={}, read_timeout=120, s3=path))
        try:
            yield made
        finally:
            made.close()

    @cached_property
    def python(self) -> str:
        """The version that functions of the runtime python3.13 run on, as they tell: zips have to fit it."""
        name = f"python-{uuid.uuid4().hex[:8]}"
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("tell.py", _TELL)
        with self.client("lambda") as functions:
            functions.create_function(
                FunctionName=name,
                Runtime="python3.13",
                Role=_ROLE,
                Handler="tell.handler",
                Code={"ZipFile": code.getvalue()},
                Timeout=60,
            )
            try:
                self._active(functions, name)
                return str(json.load(functions.invoke(FunctionName=name)["Payload"]))
            finally:
                functions.delete_function(FunctionName=name)

    @staticmethod
    def _active(functions: Any, name: str) -> None:  # noqa: ANN401 - boto3 has no types
        end = time.monotonic() + _ACTIVE_SECONDS
        while (about := functions.get_function(FunctionName=name)["Configuration"])["State"] != "Active":
            if about["State"] == "Failed" or time.monotonic() > end:
                reason = about.get("StateReason", "no reason given")
                raise StackError(f"LocalStack at {functions.meta.endpoint_url} runs no functions: {reason}")
            time.sleep(0.1)


def given(environ: Mapping[str, str]) -> str:
    """Return the address that AWS_ENDPOINT_URL or LOCALSTACK_HOST names, "" if neither does."""
    if url := environ.get("AWS_ENDPOINT_URL", ""):
        return url.rstrip("/")
    host = environ.get("LOCALSTACK_HOST", "")
    port = "" if ":" in host else ":4566"
    return f"http://{host}{port}" if host else ""


@contextlib.contextmanager
def running(environ: Mapping[str, str], cache: Cache | None = None) -> Iterator[LocalStack]:
    """Give the LocalStack that the variables name, if it answers; else start one, and end it afterwards.

    Raises:
        StackError: none can be had.
    """
    url = given(environ)
    if url and answers(url):
        yield LocalStack(url, owned=False)
        return
    host = HostLocalStack(cache)
    try:
        host.__enter__()
    except StackError as error:
        raise StackError(f"no LocalStack answers at {url}, and {error}" if url else str(error)) from error
    try:
        yield LocalStack(host.url, owned=True)
    finally:
        host.stop()
