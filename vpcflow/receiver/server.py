"""The process: two listeners, a watch over the engine, and an end that lets requests finish."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Generator, Iterator, Mapping, Sequence

import uvicorn

from vpcflow.clock import SystemClock
from vpcflow.errors import ConfigError, VpcFlowError
from vpcflow.logs import get_logger
from vpcflow.metrics.meters import Tally
from vpcflow.receiver.answers import Admin
from vpcflow.receiver.application import Application, in_thread
from vpcflow.receiver.connections import BoundedProtocol
from vpcflow.receiver.parts import Parts, assemble
from vpcflow.settings.model import Receiver, Settings

__all__ = ["serve"]

log = get_logger(__name__)

_MOST_PORT = 65_535
_ADMIN_CONNECTIONS = 64
_BACKLOG = 512
_MARGIN_SECONDS = 5  # for answers to be sent once the grace is over


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise them again at its end, and the exit code would be that of a kill."""

    def __init__(self, config: uvicorn.Config, bound: socket.socket) -> None:
        super().__init__(config)
        self.bound = bound

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none."""
        yield


def serve(settings: Settings, environ: Mapping[str, str]) -> None:
    """Receive requests until SIGTERM or SIGINT, then let those under way finish for `receiver.grace_seconds`.

    Raises:
        ConfigError: settings that cannot be used, an address that cannot be had, a certificate that cannot be read.
        DeadLetterError: dead letters could not be kept.
    """
    receiver, clock, tally = settings.receiver, SystemClock(), Tally()
    with contextlib.ExitStack() as closing:
        bound = closing.enter_context(_bound("receiver.listen", receiver.listen))
        admin = receiver.admin_listen and closing.enter_context(_bound("receiver.admin_listen", receiver.admin_listen))
        parts = assemble(settings, environ, clock, tally)
        closing.callback(parts.close)
        application = Application(receiver, parts.desk, parts.intake, parts.health, clock, tally)
        config = _config(receiver, application, connections=receiver.max_connections)
        if receiver.certificate:
            _check_certificate(receiver)
            config.ssl_certfile, config.ssl_keyfile = receiver.certificate, receiver.key or None
        servers = [_Server(config, bound)]
        if admin:
            config = _config(receiver, Admin(tally, parts.health), connections=_ADMIN_CONNECTIONS)
            servers.append(_Server(config, admin))
        asyncio.run(_run(receiver, parts, application, servers))
    log.info("receiver has stopped")


async def _run(receiver: Receiver, parts: Parts, application: Application, servers: Sequence[_Server]) -> None:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    serving = [loop.create_task(server.serve(sockets=[server.bound])) for server in servers]
    asked, watch = loop.create_task(stop.wait()), loop.create_task(_watch(parts, receiver.check_seconds))
    _tell(receiver, servers)
    ended, _ = await asyncio.wait({asked, watch, *serving}, return_when=asyncio.FIRST_COMPLETED)
    log.info("receiver stops", extra={"fields": {"grace_seconds": receiver.grace_seconds}})
    parts.health.stop()
    parts.intake.stop_at(parts.clock.monotonic() + receiver.grace_seconds)
    loop.call_later(receiver.grace_seconds, application.give_up)
    # Whoever looks after us may look until the last request is done: the other listener ends last.
    for server, task in zip(servers, serving, strict=True):
        server.should_exit = True
        await task
    watch.cancel()
    for one in ended:
        one.result()  # raises what nobody asked for


async def _watch(parts: Parts, seconds: float) -> None:
    """Ask the engine while requests cannot be settled: none may come before somebody says that they can be."""
    health = parts.health
    while True:
        if health.obstacle and health.obstacle != "stopping":
            try:
                await in_thread(parts.targets.default.probe)
            except VpcFlowError as error:
                health.ill(str(error))
            else:
                health.well()
        await asyncio.sleep(seconds)


def _tell(receiver: Receiver, servers: Sequence[_Server]) -> None:
    """Say where we are: the real ports, also where 0 was asked for."""
    host, port = servers[0].bound.getsockname()[:2]
    fields = {"host": host, "port": port, "path": receiver.path, "tls": bool(receiver.certificate)}
    for server in servers[1:]:
        fields |= dict(zip(("admin_host", "admin_port"), server.bound.getsockname()[:2], strict=True))
    log.info("receiver listens", extra={"fields": fields})


def _config(receiver: Receiver, application: Application | Admin, *, connections: int) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=BoundedProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=connections,
        backlog=_BACKLOG,
        timeout_keep_alive=int(receiver.keep_alive_seconds),
        timeout_graceful_shutdown=int(receiver.grace_seconds) + _MARGIN_SECONDS,
    )


def _check_certificate(receiver: Receiver) -> None:
    """Try it before uvicorn does: with a key that has a password, it would ask the terminal."""
    certificate, key = receiver.certificate, receiver.key or None
    where = f"{certificate} with {key}" if key else certificate
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise ConfigError(
            f"receiver.certificate: {where} cannot be used: not a certificate with its key, without a password, as PEM"
        ) from error
    except OSError as error:
        raise ConfigError(f"receiver.certificate: {where} cannot be used: {error.strerror}") from error


@contextlib.contextmanager
def _bound(key: str, listen: str) -> Iterator[socket.socket]:
    """Listen at an address; who comes early waits."""
    host, colon, port = listen.rpartition(":")
    if not (colon and host and port.isdecimal() and port.isascii() and int(port) <= _MOST_PORT):
        raise ConfigError(f"{key}: {listen}: no HOST:PORT; for example 127.0.0.1:8443")
    host = host.removeprefix("[").removesuffix("]")
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    with contextlib.closing(made):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((host, int(port)))
            made.listen(_BACKLOG)
        except OSError as error:
            raise ConfigError(f"{key}: {listen}: {error.strerror}; name another address") from error
        made.setblocking(False)
        yield made
