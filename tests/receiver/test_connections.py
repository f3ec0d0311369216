"""Connections that nobody would end: what is sent after an answer must not keep them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
import uvicorn

from vpcflow.receiver import connections
from vpcflow.receiver.answers import Receive, Scope, Send, send_reply
from vpcflow.receiver.connections import BoundedProtocol
from vpcflow.receiver.protocol import Reply

KEEP_ALIVE_SECONDS = 600
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: "
PATIENCE_SECONDS = 30


async def _away(_: Scope, __: Receive, send: Send) -> None:
    """Answer before the body is there."""
    await send_reply(send, Reply(401, b"{}"))


@contextlib.asynccontextmanager
async def connected(
    made: list[BoundedProtocol] | None = None,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(_away, lifespan="off", log_config=None, timeout_keep_alive=KEEP_ALIVE_SECONDS)
    config.load()
    state = uvicorn.server.ServerState()
    loop = asyncio.get_running_loop()

    def protocol() -> BoundedProtocol:
        one = BoundedProtocol(config, state, {})
        if made is not None:
            made.append(one)
        return one

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        server.close()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(2)
    return head.partition(b"\r\n")[0]


@pytest.mark.parametrize("more", [b"x", b"\r\n"], ids=["its own body", "an empty line"])
def test_what_comes_after_the_answer_does_not_keep_a_connection(monkeypatch: pytest.MonkeyPatch, more: bytes) -> None:
    async def scene() -> bytes:
        async with connected() as (reader, writer), asyncio.timeout(PATIENCE_SECONDS):
            writer.write(HEAD + (b"100\r\n\r\n" if more == b"x" else b"0\r\n\r\n"))
            assert b"401" in await _answer(reader)
            monkeypatch.setattr(connections, "_HEAD_SECONDS", 0.2)
            writer.write(more)
            return await reader.read()

    assert asyncio.run(scene()) == b""  # it was hung up on


def test_a_body_that_ends_after_its_answer_leaves_a_connection_for_the_next_request() -> None:
    made: list[BoundedProtocol] = []

    async def scene() -> bytes:
        async with connected(made) as (reader, writer), asyncio.timeout(PATIENCE_SECONDS):
            writer.write(HEAD + b"2\r\n\r\n")
            await _answer(reader)
            [protocol] = made
            writer.write(b"x")
            while protocol._slow is None:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
            writer.write(b"y")
            while protocol._slow is not None:  # noqa: ASYNC110 - likewise
                await asyncio.sleep(0.01)
            assert protocol.timeout_keep_alive_task is not None
            writer.write(HEAD + b"0\r\n\r\n")
            return await _answer(reader)

    assert b"401" in asyncio.run(scene())
