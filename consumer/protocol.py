"""kclpy's end of the pipe to the daemon, with what has to be changed there."""

from __future__ import annotations

import json
from typing import Any, TextIO

from amazon_kclpy import dispatch, kcl

from consumer.processor import ShardProcessor

__all__ = ["ShardProcess"]


class _Messages(kcl._IOHandler):  # type: ignore[misc]  # noqa: SLF001 - there is no public place for this
    """Reads messages as kclpy does, but takes a record without arrival time (kclpy dies on one)."""

    def load_action(self, line: str) -> object:
        """Decode one line."""
        return json.loads(line, object_hook=_decoded)


def _decoded(message: dict[str, Any]) -> object:
    if message.get("action") == "record" and message.get("approximateArrivalTimestamp") is None:
        message["approximateArrivalTimestamp"] = 0
    return dispatch.message_decode(message)


class ShardProcess(kcl.KCLProcess):  # type: ignore[misc]
    """Serves one shard until the daemon closes the pipe."""

    def __init__(self, processor: ShardProcessor, questions: TextIO, answers: TextIO, errors: TextIO) -> None:
        """Bind the streams."""
        super().__init__(processor, questions, answers, errors)
        self.io_handler = _Messages(questions, answers, errors)
        self.checkpointer = kcl.Checkpointer(self.io_handler)
