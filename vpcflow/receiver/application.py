"""The door for HTTP: an ASGI application. Nothing here blocks; what does is done by threads, one for each request."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar, cast

from vpcflow.clock import Clock
from vpcflow.logs import get_logger
from vpcflow.metrics import catalog
from vpcflow.metrics.meters import Meters
from vpcflow.receiver.answers import Receive, Scope, Send, health_reply, send_reply
from vpcflow.receiver.desk import Desk, Visit, unauthorized
from vpcflow.receiver.health import Health
from vpcflow.receiver.intake import Intake
from vpcflow.receiver.protocol import AWAY, FAILED, Refusal, read_head
from vpcflow.receiver.room import Room, Share
from vpcflow.settings.model import Receiver

__all__ = ["Application", "in_thread"]

log = get_logger(__name__)

T = TypeVar("T")

_NOT_FOUND, _NOT_ALLOWED = 404, 405


class _Gone(Exception):
    """The sender hung up."""


class Application:
    """Belongs to one event loop."""

    def __init__(
        self, receiver: Receiver, desk: Desk, intake: Intake, health: Health, clock: Clock, meters: Meters
    ) -> None:
        """Keep the parts."""
        self._receiver = receiver
        self._desk = desk
        self._intake = intake
        self._health = health
        self._clock = clock
        self._meters = meters
        self._room = Room(receiver.max_buffered_bytes)
        self._busy = 0
        meters.set(catalog.FIREHOSE_IN_PROGRESS, 0)  # shown before the first request, too
        self._enough = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        path, method = scope["path"], scope["method"]
        if method in ("GET", "HEAD") and path in ("/healthz", "/readyz"):
            await send_reply(send, health_reply(path, self._health, reasons=False))
            return
        visit = self._desk.arrive(read_head(headers)[0])
        refusal: Refusal | None = None
        try:
            visit.records = await self._serve(visit, path, method, headers, receive)
        except Refusal as error:
            refusal = error
        except _Gone:
            refusal = Refusal(AWAY, "gone", "the sender hung up")
        except Exception:  # uvicorn's own answer to it would not be one that Firehose can read
            log.exception("request fails")
            refusal = Refusal(FAILED, "failed", "a fault of the receiver; its log says which")
        await send_reply(send, self._desk.leave(visit, refusal))

    def give_up(self) -> None:
        """Answer all that is under way: there is no time left."""
        self._enough.set()

    async def _serve(self, visit: Visit, path: str, method: str, headers: Mapping[str, str], receive: Receive) -> int:
        """Return how many records were settled. Raises Refusal, _Gone."""
        if path != self._receiver.path:
            raise Refusal(_NOT_FOUND, "elsewhere", "there is nothing here; see receiver.path")
        if method != "POST":
            raise Refusal(_NOT_ALLOWED, "elsewhere", "Firehose sends POST requests")
        await self._admit(visit.head.access_key)
        problem = read_head(headers)[1]
        if problem is not None:
            raise problem
        if self._health.obstacle == "stopping":
            raise Refusal(AWAY, "stopping", "this receiver stops; send it again")
        if self._busy >= self._receiver.max_concurrent:
            raise Refusal(AWAY, "busy", f"{self._busy} requests at once; see receiver.max_concurrent")
        length = headers.get("content-length", "")
        self._check_size(int(length) if length.isdecimal() and length.isascii() else 0)
        return await self._take(visit, receive)

    async def _admit(self, key: str) -> None:
        keys = self._desk.keys
        if keys.accept(key):
            return
        # Only a key that may have been changed is worth reading the secrets again; none at all is not.
        changed = await in_thread(keys.refresh) if key else False
        if not (changed and keys.accept(key)):
            raise unauthorized()

    def _check_size(self, size: int) -> None:
        limit = self._receiver.max_request_bytes
        if size > limit:
            raise Refusal(AWAY, "too_large", f"{size} bytes, over receiver.max_request_bytes ({limit})")

    async def _take(self, visit: Visit, receive: Receive) -> int:
        """Read the body, and have it settled by a thread; that keeps its place and its memory until it is really done."""
        until = visit.begun + self._receiver.request_seconds
        share = Share(self._room)
        self._hold(1)
        work: asyncio.Future[int] | None = None
        try:
            body = await self._before(until, self._read(visit, receive, share))
            work = in_thread(lambda: self._intake.settle(visit.head, body, share, until))
            work.add_done_callback(lambda done: self._finished(done, share))
            return await self._before(until, asyncio.shield(work))
        finally:
            if work is None:
                self._release(share)

    async def _before(self, until: float, waited: Awaitable[T]) -> T:
        """Wait for it, but not beyond a moment, nor beyond the end of this program. Raises Refusal."""
        task = asyncio.ensure_future(waited)
        enough = asyncio.ensure_future(self._enough.wait())
        try:
            left = max(0.0, until - self._clock.monotonic())
            await asyncio.wait({task, enough}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if enough.done():
                raise Refusal(AWAY, "stopping", "this receiver stops; send it again")
            raise Refusal(
                AWAY, "late", f"not settled within receiver.request_seconds ({self._receiver.request_seconds:g})"
            )
        finally:
            enough.cancel()
            if not task.done():
                task.cancel()

    async def _read(self, visit: Visit, receive: Receive, share: Share) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _Gone
            chunk = message.get("body", b"")
            visit.size += len(chunk)
            self._check_size(visit.size)
            share.take(len(chunk))
            body += chunk
            if not message.get("more_body", False):
                return bytes(body)

    def _hold(self, more: int) -> None:
        self._busy += more
        self._meters.set(catalog.FIREHOSE_IN_PROGRESS, self._busy)

    def _finished(self, work: asyncio.Future[int], share: Share) -> None:
        work.exception()  # nobody else may be there to ask: the answer was given when the time was over
        if share.remainder is None:
            self._release(share)
        else:
            in_thread(share.remainder).add_done_callback(lambda _: self._release(share))

    def _release(self, share: Share) -> None:
        share.give_back()
        self._hold(-1)


def in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Run a function in a thread of its own; a daemon, so that an engine that hangs cannot keep the process alive."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def done(value: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("T", value))

    def run() -> None:
        value: T | None = None
        error: BaseException | None = None
        try:
            value = function()
        except BaseException as fault:  # noqa: BLE001 - raised again by whoever waits
            error = fault
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            loop.call_soon_threadsafe(done, value, error)

    threading.Thread(target=run, name="request", daemon=True).start()
    return future
