"""The two plugins by name. What they load is imported when LocalStack asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from localstack.runtime.server.core import RuntimeServerPlugin
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin

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
