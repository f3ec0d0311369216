"""The plugins by name. What they load is imported when LocalStack asks for it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from localstack.runtime.server.core import RuntimeServerPlugin
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.plugins import Service, aws_provider

if TYPE_CHECKING:
    from localstack_subprocess.executor import SubprocessExecutor
    from localstack_subprocess.server import BoundServer


class SubprocessExecutorPlugin(RuntimeExecutorPlugin):
    """LAMBDA_RUNTIME_EXECUTOR=subprocess."""

    name = "subprocess"

    def load(self, *args: object, **kwargs: object) -> type[SubprocessExecutor]:
        from localstack_subprocess.executor import SubprocessExecutor

        return SubprocessExecutor


class BoundServerPlugin(RuntimeServerPlugin):
    """GATEWAY_SERVER=twisted-bound."""

    name = "twisted-bound"

    def load(self, *args: object, **kwargs: object) -> BoundServer:
        from localstack_subprocess.server import BoundServer

        return BoundServer()


@aws_provider(api="s3", name="own-folder")
def s3() -> Service:
    """PROVIDER_OVERRIDE_S3=own-folder: every other LocalStack of this machine keeps its objects in one folder in /tmp."""
    from localstack.services.s3.provider import S3Provider
    from localstack.services.s3.storage.ephemeral import EphemeralS3ObjectStore

    return Service.for_provider(S3Provider(EphemeralS3ObjectStore(str(Path(tempfile.gettempdir()) / "s3"))))
