"""What the demo is told, and the settings and environment that it gives to the consumer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vpcflow.demo.consumer import settings_text
from vpcflow.stack import Engine, Stack
from vpcflow.stack.streams import CREDENTIALS

__all__ = ["APPLICATION", "STREAM", "DemoOptions", "consumer_environ", "engine_environ", "settings_of"]

STREAM = APPLICATION = "vpcflow-demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """url: a cluster of one's own, '' for the embedded engine. time_limit: seconds for the documents to arrive."""

    events: int = 20_000
    seed: int = 7
    engine: Literal["elasticsearch", "opensearch"] = "elasticsearch"
    keep: bool = False
    url: str = ""
    time_limit: float = 300.0

    @property
    def engine_to_start(self) -> Engine | None:
        """Return the embedded engine; None where there is a cluster."""
        return None if self.url else self.engine


def settings_of(options: DemoOptions, stack: Stack, work: Path) -> str:
    """Return the consumer's settings file. The KCL's times are short: nobody shares this lease table."""
    return settings_text(
        {
            "kinesis": {
                "stream": STREAM,
                "application": APPLICATION,
                "region": CREDENTIALS["AWS_REGION"],
                "kinesis_endpoint": stack.kinesis_url,
                "dynamodb_endpoint": stack.dynamodb_url,
                "idle_milliseconds": 250,
            },
            "elasticsearch": {"hosts": [options.url or stack.engine_url]},
            "document": {"namespace": "demo", "event_original": True},
            "deadletters": {"path": str(work / "deadletters"), "accept_loss": True},  # `work` is a temporary folder
            "consumer": {
                "worker_id": "demo",
                "run_folder": str(work / "run"),
                "java": str(stack.java),
                "checkpoint_seconds": 1.0,
                "failover_milliseconds": 2000,
                "lease_assignment_milliseconds": 1000,
                "shard_sync_milliseconds": 1000,
                "parent_poll_milliseconds": 1000,
            },
            "metrics": {"listen": "127.0.0.1:0"},
        }
    )


def engine_environ(options: DemoOptions, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that may be meant for us: those for one's own cluster, none for the embedded one."""
    if not options.url:
        return {}
    return {
        name: value
        for name, value in environ.items()
        if name.startswith("VPCFLOW_ELASTICSEARCH__") and not name.endswith("__HOSTS")
    }


def consumer_environ(options: DemoOptions, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the consumer sees: the emulators' credentials, never the user's own."""
    plain = {name: value for name, value in environ.items() if not name.startswith(("VPCFLOW_", "AWS_"))}
    direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return {**plain, **CREDENTIALS, **engine_environ(options, environ), **direct}
