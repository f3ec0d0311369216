"""The code of a function that ends in each way, and what it takes to have it in LocalStack."""

from __future__ import annotations

import contextlib
import io
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any

CODE = r"""
import os, tempfile, time

def handler(event, context):
    print("seen", context.aws_request_id)
    match event.get("end"):
        case "raise":
            raise ValueError("no good")
        case "late":
            time.sleep(60)
        case "exit":
            os._exit(3)
        case "large":
            return "x" * (6 * 1024 * 1024 + 1000)
    return {
        "own": os.environ["OWN"],
        "arn": context.invoked_function_arn,
        "name": context.function_name,
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
        "tmp": tempfile.gettempdir(),
        "process": os.getpid(),
    }
"""


@contextlib.contextmanager
def made(client: Any, code: str = CODE, *, seconds: int = 10, **environ: str) -> Iterator[str]:  # noqa: ANN401
    """Create a function, give its name, delete it."""
    name = f"host-{uuid.uuid4().hex[:8]}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("index.py", code)
    client.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/test",
        Handler="index.handler",
        Code={"ZipFile": archive.getvalue()},
        Timeout=seconds,
        Environment={"Variables": {"OWN": "x", **environ}},
    )
    try:
        client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        yield name
    finally:
        client.delete_function(FunctionName=name)
