"""Handlers that the runtime client loads."""

from __future__ import annotations

import base64
from typing import Any


def upper(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer with the data in capitals; an exception where it says so."""
    rows = []
    for row in event["records"]:
        data = base64.b64decode(row["data"])
        if data == b"raise":
            raise RuntimeError("as told")
        text = base64.b64encode(data.upper()).decode()
        rows.append({"recordId": row["recordId"], "result": "Ok", "data": text})
    return {"records": rows}
