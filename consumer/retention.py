"""How long the stream keeps its records. The supervisor asks once for all its children, and again each hour."""

from __future__ import annotations

import threading
from collections.abc import Callable

from consumer.run_folder import RunFolder
from vpcflow.logs import get_logger

__all__ = ["RetentionReader", "ask_kinesis"]

log = get_logger(__name__)

_PERIOD_SECONDS = 3600.0
_RETRY_SECONDS = 60.0


def ask_kinesis(stream: str, region: str, endpoint: str) -> float:
    """Return the retention in seconds (DescribeStreamSummary, which the KCL needs to be allowed, too).

    Raises:
        OSError, botocore's errors: no answer, or a refusal.
    """
    import boto3
    from botocore.config import Config

    patience = Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 2})
    client = boto3.client("kinesis", region_name=region, endpoint_url=endpoint or None, config=patience)
    try:
        summary = client.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]
    finally:
        client.close()
    return float(summary["RetentionPeriodHours"]) * 3600


class RetentionReader(threading.Thread):
    """Notes the retention in the run folder. Without an answer the last one stays, or there is none."""

    def __init__(self, folder: RunFolder, ask: Callable[[], float]) -> None:
        """`ask` may block and may fail; it is asked by this thread only."""
        super().__init__(name="retention", daemon=True)
        self._folder = folder
        self._ask = ask
        self._end = threading.Event()
        self._failed = False

    def run(self) -> None:
        """Ask until told to stop."""
        while not self._end.wait(_PERIOD_SECONDS if self.ask_once() else _RETRY_SECONDS):
            pass

    def stop(self) -> None:
        """Ask no more; does not wait for an answer that is under way."""
        self._end.set()

    def ask_once(self) -> bool:
        """Ask and note; say whether there was an answer. A failure is told once, until it is over."""
        try:
            seconds = self._ask()
            self._folder.note_retention(seconds)
        except Exception as error:  # noqa: BLE001 - whatever boto3 raises: the records flow without this number
            if not self._failed:
                fields = {"reason": f"{type(error).__name__}: {error}"}
                log.warning(
                    "the stream's retention is not known: seconds_until_expiry is not told; "
                    "allow kinesis:DescribeStreamSummary",
                    extra={"fields": fields},
                )
            self._failed = True
            return False
        log.log(20 if self._failed else 10, "retention of the stream", extra={"fields": {"retention_seconds": seconds}})
        self._failed = False
        return True
