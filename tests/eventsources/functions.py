"""Handlers that the runtime client loads."""

from __future__ import annotations

import os
from typing import Any


def by_body(event: dict[str, Any], _context: object) -> object:
    """Do what the body of the first message says; report those messages that say `fail`."""
    match event["Records"][0]["body"]:
        case "raise":
            raise RuntimeError("as told")
        case "exit":
            os._exit(1)
        case "nothing":
            return None
    failed = [row["messageId"] for row in event["Records"] if row["body"] == "fail"]
    return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}
