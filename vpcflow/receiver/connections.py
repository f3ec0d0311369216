"""Connections with a bound on the head of a request: uvicorn's protocol has none, neither in bytes nor in seconds."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedProtocol"]

_HEAD_BYTES = 128 * 1024  # an access key of 4 KiB, 50 attributes of 256 + 1024 characters, and some
_HEAD_SECONDS = 30.0


class BoundedProtocol(HttpToolsProtocol):
    """Hangs up on whoever sends a head that is too long, or too slowly."""

    _head_bytes = 0
    _in_head = True
    _slow: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio and uvicorn name different types
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before a head is whole; let nothing else that comes keep an idle connection."""
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_BYTES:
                self.transport.close()
        elif self._slow is None and self._is_forgotten():
            self._slow = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        """End it."""
        self._end_head()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A body that came after its answer is whole: the connection may wait for the next head as long as any other."""
        super().on_message_complete()
        if self._slow is not None and self.cycle.response_complete:
            self._end_head()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _is_forgotten(self) -> bool:
        """Return whether nobody waits any more: what comes after an answer (its body, empty lines) ends uvicorn's wait."""
        if self.transport.is_closing():  # also: no request was ever begun, for its head cannot be read
            return False
        return self.cycle.response_complete and self.timeout_keep_alive_task is None

    def _begin_head(self) -> None:
        self._end_head()
        self._in_head = True
        self._slow = self.loop.call_later(_HEAD_SECONDS, self.transport.close)

    def _end_head(self) -> None:
        self._in_head = False
        self._head_bytes = 0
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
