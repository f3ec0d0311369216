"""A Lambda function: one process of the real runtime client (`awslambdaric`) with a handler in it, and what Lambda does around.

What a caller sees is what `Invoke` gives: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html. Not done: layers,
extensions, the memory limit, a read-only code folder, several environments at once (calls wait for each other).
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from tests.runtime.service import MAX_PAYLOAD_BYTES, RuntimeApi, Said

ROOT = Path(__file__).resolve().parents[2]
_LOOK_SECONDS = 0.05  # between two looks at a process that says nothing


class RequestTooLarge(Exception):
    """Invoke refused the event (413 RequestTooLargeException); the function was never called."""


@dataclass(frozen=True)
class Answer:
    """payload: what the handler returned, or the error as JSON. failed: Lambda's FunctionError is set."""

    payload: bytes
    failed: bool = False

    @property
    def value(self) -> dict[str, object]:
        value = json.loads(self.payload)
        assert isinstance(value, dict), value
        return value

    @property
    def error_type(self) -> str:
        return str(self.value.get("errorType", "")) if self.failed else ""


class Function:
    """Use it as a context. `cold_starts` counts the processes that were started.

    environ: the function's own variables; PATH is all that it inherits. python_path: folders beside the code's root.
    root: folder of the code.
    log: where stdout and stderr of the process go, which is CloudWatch Logs in AWS.
    """

    def __init__(
        self,
        handler: str,
        environ: Mapping[str, str] | None = None,
        *,
        timeout: float = 60.0,
        name: str = "transform",
        python_path: tuple[Path, ...] = (),
        root: Path = ROOT,
        log: IO[bytes] | None = None,
    ) -> None:
        self.name, self.timeout, self.cold_starts = name, timeout, 0
        self.arn = f"arn:aws:lambda:us-east-1:123456789012:function:{name}"
        self._handler, self._environ, self._log = handler, dict(environ or {}), log
        self._path = os.pathsep.join(map(str, (root, *python_path)))
        self._root = root
        self._lock = threading.Lock()
        self._api: RuntimeApi | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._end()

    def invoke(self, event: object, *, timeout: float | None = None) -> Answer:
        """Invoke it and wait. Raises RequestTooLarge."""
        return self.invoke_bytes(json.dumps(event).encode(), timeout=timeout)

    def invoke_bytes(self, payload: bytes, *, timeout: float | None = None, request_id: str = "") -> Answer:
        """Invoke it with JSON text, under an id of its own unless one is given. Raises RequestTooLarge."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise RequestTooLarge(
                f"Request must be smaller than {MAX_PAYLOAD_BYTES} bytes for the InvokeFunction operation"
            )
        with self._lock:
            return self._invoke(payload, self.timeout if timeout is None else timeout, request_id or str(uuid.uuid4()))

    def _invoke(self, payload: bytes, seconds: float, request_id: str) -> Answer:
        api, process = self._running()
        waiting = api.give(request_id, payload, seconds)
        end = time.monotonic() + seconds
        while True:
            try:
                return self._judged(waiting.get(timeout=max(0.0, min(_LOOK_SECONDS, end - time.monotonic()))))
            except queue.Empty:
                if process.poll() is not None and waiting.empty():
                    return self._exited(api, process, request_id)
                if time.monotonic() >= end:
                    self._end()
                    return _failure("Sandbox.Timedout", request_id, f"Task timed out after {seconds:.2f} seconds")

    def _judged(self, said: Said) -> Answer:
        if said.kind == "too large":
            self._end()  # the runtime client leaves after a 413
            size = f"({said.body.decode()} bytes) exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes)"
            return _failure("Function.ResponseSizeTooLarge", "", f"Response payload size {size}.")
        return Answer(said.body, failed=said.kind == "error")

    def _exited(self, api: RuntimeApi, process: subprocess.Popen[bytes], request_id: str) -> Answer:
        error = api.init_error
        status = process.returncode
        self._end()
        if error is not None:
            return Answer(json.dumps(error).encode(), failed=True)
        return _failure("Runtime.ExitError", request_id, f"Runtime exited with error: exit status {status}")

    def _running(self) -> tuple[RuntimeApi, subprocess.Popen[bytes]]:
        if self._api is not None and self._process is not None and self._process.poll() is None:
            return self._api, self._process
        self._end()
        self._api = RuntimeApi(self.arn)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", self._handler],
            cwd=self._root,
            env=self._variables(self._api.address),
            stdout=self._log or subprocess.DEVNULL,
            stderr=self._log or subprocess.DEVNULL,
            start_new_session=True,
        )
        self.cold_starts += 1
        return self._api, self._process

    def _variables(self, address: str) -> dict[str, str]:
        """Return the environment: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html."""
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": self._path,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": "test",
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "LAMBDA_TASK_ROOT": str(self._root),
            "_HANDLER": self._handler,
            "TZ": ":UTC",
            **self._environ,
        }

    def _end(self) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                self._process.kill()
            self._process.wait()
            self._process = None
        if self._api is not None:
            self._api.close()
            self._api = None


def _failure(kind: str, request_id: str, message: str) -> Answer:
    text = f"RequestId: {request_id} Error: {message}" if request_id else message
    return Answer(json.dumps({"errorType": kind, "errorMessage": text}).encode(), failed=True)
