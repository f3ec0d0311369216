"""A function of LocalStack in the project's own `Function`: one process of Lambda's real runtime client.

LocalStack's Docker executor talks to a program in a container, which talks to the runtime. Here the executor is what the
runtime talks to, so that an invocation simply has a result.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import ExitStack
from typing import IO

from localstack import config
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.runtime_executor import RuntimeExecutor

from tests.runtime.function import Answer, Function, RequestTooLarge

_OURS = ("AWS_LAMBDA_RUNTIME_API", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT")  # LocalStack's are those of a container


class SubprocessExecutor(RuntimeExecutor):
    """One execution environment. Not done: layers, images, extensions, the memory limit, languages other than Python."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002 - the name it has above
        """Start nothing yet."""
        super().__init__(id, function_version)
        self._stack = ExitStack()
        self._function: Function | None = None
        self._log: IO[bytes] | None = None

    def start(self, env_vars: dict[str, str]) -> None:
        """Make all ready; the process starts with the first invocation."""
        settings = self.function_version.config
        if not (settings.runtime or "").startswith("python"):
            raise ValueError(f"functions run here in Python only, not in {settings.runtime!r}")
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lambda-", ignore_cleanup_errors=True))
        environ = {name: str(value) for name, value in env_vars.items() if name not in _OURS}
        environ |= {"AWS_EXECUTION_ENV": f"AWS_Lambda_{settings.runtime}", "TMPDIR": folder}
        self._log = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - that is what the stack does
        self._function = self._stack.enter_context(
            Function(
                settings.handler,
                environ,
                timeout=settings.timeout,
                name=self.function_version.id.function_name,
                root=settings.code.get_unzipped_code_location(),
                log=self._log,
            )
        )

    def stop(self) -> None:
        """End the process."""
        self._stack.close()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run it once, and tell what Lambda would write to its log."""
        assert self._function is not None, "LocalStack starts before it invokes"
        request_id, version = payload["invoke-id"], self.function_version
        self._function.arn = payload["invoked-function-arn"]
        before, began = len(self._written()), time.monotonic()
        try:
            answer = self._function.invoke_bytes((payload["payload"] or "{}").encode(), request_id=request_id)
        except RequestTooLarge as error:
            problem = {"errorType": "RequestEntityTooLarge", "errorMessage": str(error)}
            answer = Answer(json.dumps(problem).encode(), failed=True)
        milliseconds = (time.monotonic() - began) * 1000
        logs = (
            f"START RequestId: {request_id} Version: {version.id.qualifier}\n"
            f"{self._written()[before:].decode(errors='replace')}"
            f"END RequestId: {request_id}\n"
            f"REPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
            f"Billed Duration: {milliseconds:.0f} ms\tMemory Size: {version.config.memory_size} MB\n"
        )
        return InvocationResult(request_id, answer.payload, is_error=answer.failed, logs=logs)

    def get_logs(self) -> str:
        """Return all that the process wrote."""
        return self._written().decode(errors="replace")

    def get_address(self) -> str:
        """Return where the environment is."""
        return "127.0.0.1"

    def get_endpoint_from_executor(self) -> str:
        """Return where LocalStack is for the environment."""
        return "127.0.0.1"

    def get_runtime_endpoint(self) -> str:
        """Return what a container would call; nobody does here."""
        return f"http://127.0.0.1:{config.GATEWAY_LISTEN[0].port}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack the code."""
        function_version.config.code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing is kept beside the code, which is LocalStack's."""

    def _written(self) -> bytes:
        """Read the log without moving the place where the process writes, which it shares with us."""
        if self._log is None or self._log.closed:
            return b""
        return os.pread(self._log.fileno(), os.fstat(self._log.fileno()).st_size, 0)
