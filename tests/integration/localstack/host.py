"""LocalStack as a process of this machine: no container, no root, loopback only, nothing left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from types import TracebackType

from tests.integration.localstack import part, root, tether
from vpcflow.stack.cache import Cache, Progress, quiet
from vpcflow.stack.errors import StackError
from vpcflow.stack.server import environment, free_port

__all__ = ["HostLocalStack", "answers"]

SERVICES = "kinesis,dynamodb,dynamodbstreams,s3,sqs,logs,firehose,lambda,cloudwatch,iam,sts,kms,secretsmanager,ssm"
_READY_SECONDS = 300.0
_LAST_LINES = 5
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback is never behind a proxy


def answers(url: str) -> bool:
    """Tell whether a LocalStack answers there."""
    try:
        with _DIRECT.open(f"{url}/_localstack/health", timeout=5) as answer:
            return answer.status == 200
    except (OSError, ValueError):
        return False


class HostLocalStack:
    """Use it as a context: it gives the address.

    Whatever ends the process that started it ends it, too, with all of its processes and its folder.
    """

    def __init__(self, cache: Cache | None = None, progress: Progress = quiet) -> None:
        """Start nothing yet."""
        self.url = ""
        self._cache, self._progress = cache or Cache(), progress
        self._process: subprocess.Popen[bytes] | None = None
        self._root: Path | None = None

    def __enter__(self) -> str:
        """Fetch what is missing, start it, wait until it answers.

        Raises:
            StackError: a part cannot be had, or it does not come up; with the last lines of its log.
        """
        python = part.environment(part.find_python(), self._cache, self._progress)
        try:
            self._root = Path(tempfile.mkdtemp(prefix="vpcflow-localstack-"))
            root.fill(self._root, self._cache, self._progress)
            self._start(python, self._root)
            self._wait(self._root)
        except BaseException:
            self.stop()
            raise
        return self.url

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        self.stop()

    def stop(self) -> None:
        """End it and remove its folder; harmless when it does not run."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(timeout=tether.GRACE + 30)
            self._process = None
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)
            self._root = None

    def _start(self, python: Path, folder: Path) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command: list[str | Path] = [sys.executable, tether.__file__, folder, python, "-m", "localstack.runtime.main"]
        with (folder / "localstack.log").open("wb") as log:
            self._process = subprocess.Popen(
                command,
                env=environment(_settings(folder, python, port)),
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us alone
            )

    def _wait(self, folder: Path) -> None:
        began = time.monotonic()
        while not answers(self.url):
            ended = self._process is None or self._process.poll() is not None
            if ended or time.monotonic() > began + _READY_SECONDS:
                what = "ended while it started" if ended else f"did not answer within {_READY_SECONDS:.0f} s"
                lines = [line for line in (folder / "localstack.log").read_text(errors="replace").splitlines() if line]
                raise StackError(f"LocalStack {what}: {' | '.join(lines[-_LAST_LINES:]) or 'its log is empty'}")
            time.sleep(0.1)
        self._progress(f"localstack: ready after {time.monotonic() - began:.1f} s")


def _settings(folder: Path, python: Path, port: int) -> dict[str, str]:
    return {
        "OVERRIDE_IN_DOCKER": "0",  # in what looks like a container it would write to /var/lib/localstack
        "FILESYSTEM_ROOT": str(folder),
        "TMPDIR": str(folder / "tmp"),
        "HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "tmp"),
        "PYTHONPATH": str(folder / "plugin"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": os.pathsep.join((f"{folder}/bin", str(python.parent), os.environ.get("PATH", os.defpath))),
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "GATEWAY_SERVER": "twisted-bound",  # LocalStack's own listens on every address
        "LOCALSTACK_HOST": f"127.0.0.1:{port}",
        "DNS_ADDRESS": "0",
        "SERVICES": SERVICES,
        "PROVIDER_OVERRIDE_S3": "own-folder",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DISABLE_EVENTS": "1",
        "DYNAMODB_IN_MEMORY": "1",
        "DYNAMODB_SHARE_DB": "1",
        "KINESIS_MOCK_VERSION": root.KINESIS_VERSION,
        "KINESIS_MOCK_LOG_LEVEL": "WARN",
        "KINESIS_LATENCY": "10",
        "JDK_JAVA_OPTIONS": f"-XX:-UsePerfData -Djava.io.tmpdir={folder / 'tmp'}",  # it does not look at TMPDIR
        "NODE_OPTIONS": f"--require {folder / 'loopback.cjs'}",
        "LAMBDA_RUNTIME_EXECUTOR": "subprocess",
        "LAMBDA_KEEPALIVE_MS": "60000",
        "LAMBDA_RETRY_BASE_DELAY": "5",
    }
