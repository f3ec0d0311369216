"""Several hosts as one: each request goes to one that is up, and at once to the next where nobody answered."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elastic_transport import ApiResponseMeta, HttpHeaders, TransportError
from urllib3.util import Timeout

from vpcflow.clock import Clock
from vpcflow.sink.failures import nothing_was_sent
from vpcflow.sink.nodes import Node

__all__ = ["Hosts"]

_CONNECT_SECONDS = 10.0  # a host that is switched off does not refuse; the others should not wait for it for long
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0
_NOT_HERE = {502, 503, 504}


@dataclass(slots=True)
class _Down:
    """failures: in a row. until: when it is asked again, monotonic seconds."""

    failures: int = 0
    until: float = 0.0


class Hosts:
    """The nodes of one engine. Called by several threads.

    They take turns. One that failed is left out for a second, then two, up to half a minute; where all are left out, all are
    asked again, the longest waiting first.
    """

    def __init__(self, nodes: Sequence[Node], clock: Clock) -> None:
        """Take the nodes as they are; nothing is sent."""
        self._nodes = list(nodes)
        self._clock = clock
        self._down: dict[int, _Down] = {}  # by place in the list
        self._turn = 0
        self._lock = threading.Lock()

    def perform(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout_seconds: float
    ) -> tuple[ApiResponseMeta, bytes]:
        """Send a request and return any answer, whatever its status.

        Each host is tried once, as long as nothing was sent: connections that are refused, names that are not found. After
        anything was sent the error is raised: whether to send it again is the caller's decision.

        Raises:
            TransportError: the last host's failure, or the first one after something was sent.
        """
        timeout = Timeout(connect=min(_CONNECT_SECONDS, timeout_seconds), read=timeout_seconds)
        order = self._order()
        for place in order:
            try:
                answer = self._nodes[place].perform_request(
                    method,
                    path,
                    body,
                    HttpHeaders(headers),
                    timeout,  # type: ignore[arg-type]  # it goes through to urllib3 as it is
                )
            except TransportError as error:
                self._failed(place)
                if place == order[-1] or not nothing_was_sent(error):
                    raise
            else:
                if answer.meta.status in _NOT_HERE:
                    self._failed(place)
                else:
                    self._answered(place)
                return answer.meta, answer.body
        raise AssertionError("no hosts")  # the constructor's caller has seen to it

    def close(self) -> None:
        """Close all connections."""
        for node in self._nodes:
            node.close()

    def _order(self) -> list[int]:
        with self._lock:
            count = len(self._nodes)
            turns = [(self._turn + step) % count for step in range(count)]
            self._turn = (self._turn + 1) % count
            now = self._clock.monotonic()
            waits = {place: self._down[place].until for place in turns if place in self._down}
        return sorted(turns, key=lambda place: waits[place] if waits.get(place, 0.0) > now else 0.0)

    def _failed(self, place: int) -> None:
        with self._lock:
            down = self._down.setdefault(place, _Down())
            pause = min(_FIRST_PAUSE_SECONDS * 2.0**down.failures, _LONGEST_PAUSE_SECONDS)
            down.failures = min(down.failures + 1, 16)
            down.until = self._clock.monotonic() + pause

    def _answered(self, place: int) -> None:
        with self._lock:
            self._down.pop(place, None)
