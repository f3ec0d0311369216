"""How answers are sent, and the answers for whoever looks after processes: `/healthz`, `/readyz`, `/metrics`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from vpcflow.metrics.meters import Tally
from vpcflow.metrics.prometheus import exposition
from vpcflow.receiver.health import Health
from vpcflow.receiver.protocol import AWAY, OK, Reply

__all__ = ["Admin", "Receive", "Scope", "Send", "health_reply", "send_reply"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_JSON = "application/json"
_NOT_FOUND = 404


async def send_reply(send: Send, reply: Reply, kind: str = _JSON) -> None:
    """Send a status and a body of a content type, with its length: Firehose demands it."""
    headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def health_reply(path: str, health: Health, *, reasons: bool) -> Reply:
    """Return the answer to `/healthz`: this process answers; or to `/readyz`: requests can be settled, or why not.

    Args:
        path: which of the two.
        health: for the second.
        reasons: tell why; they name hosts, which are nobody's business outside.
    """
    obstacle = "" if path == "/healthz" else health.obstacle
    word = "healthy" if path == "/healthz" else "ready"
    problems = [{"reason": obstacle}] if obstacle and reasons else []
    return Reply(AWAY if obstacle else OK, orjson.dumps({word: not obstacle, "problems": problems}) + b"\n")


class Admin:
    """An ASGI application with `/metrics`, for an address of its own: it asks for no key."""

    def __init__(self, tally: Tally, health: Health) -> None:
        """Keep the parts."""
        self._tally = tally
        self._health = health

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        if scope["path"] == "/metrics":
            accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
            body, kind = exposition(self._tally.snapshot, accept)
            await send_reply(send, Reply(OK, body), kind)
        elif scope["path"] in ("/healthz", "/readyz"):
            await send_reply(send, health_reply(scope["path"], self._health, reasons=True))
        else:
            await send_reply(send, Reply(_NOT_FOUND, b"here are /metrics, /healthz and /readyz\n"), "text/plain")
