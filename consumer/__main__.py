"""The consumer: reads a Kinesis data stream and writes flow logs into the search engine. Exit codes: see `--help`."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from consumer import child, daemon
from consumer.board import Board
from consumer.process import Process
from consumer.retention import RetentionReader, ask_kinesis
from consumer.run_folder import RunFolder
from consumer.supervisor import Supervisor, Timing
from vpcflow import java, logs
from vpcflow.clock import SystemClock
from vpcflow.errors import EX_OK, EX_SOFTWARE, EX_USAGE, ConfigError, VpcFlowError

if TYPE_CHECKING:
    from consumer.endpoint import Endpoint

__all__ = ["main"]

log = logs.get_logger(__name__)

_ABSENCE_SECONDS = 60.0  # without a daemon, beyond what starting it again may take

_EPILOG = """\
examples:
  vpcflow-consumer --settings vpcflow.toml
  VPCFLOW_KINESIS__STREAM=flow-logs AWS_REGION=eu-central-1 vpcflow-consumer

It runs until SIGTERM or SIGINT, then settles and checkpoints what it holds. Logs are JSON lines on stderr.

exit codes:
   0  stopped as asked
  64  wrong usage
  65  data: most of what the stream holds cannot be decoded
  70  a defect of this program
  75  try again: another consumer with this worker id still runs
  77  the search engine refuses the credentials or lacks a privilege
  78  settings: also a missing Java, jar, index or template
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        """Exit as sysexits says."""
        self.exit(EX_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vpcflow-consumer",
        description="Read VPC flow logs from a Kinesis data stream and index them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", type=Path, metavar="FILE", help="TOML file; VPCFLOW_… variables win over it")
    # How the daemon starts this program for each shard; not for people.
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--supervisor", type=Process.parse, help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the supervisor, or one child of the daemon; return the exit code."""
    options = _parser().parse_args(arguments)
    if options.child is not None:
        return child.main(
            folder=RunFolder(options.child),
            supervisor=options.supervisor,
            settings=options.settings,
            environ=os.environ,
        )
    logs.configure("info")
    # A stop before anything runs. Until there is a handler, the first process of a container does not even hear of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EX_OK))
    try:
        return _supervise(options.settings, os.environ)
    except VpcFlowError as error:
        log.error(str(error), extra={"fields": {"exit_code": error.exit_code}})  # noqa: TRY400 - one line for people
        return error.exit_code
    except Exception:  # noqa: BLE001 - the last handler of this program
        fields = {"exit_code": EX_SOFTWARE, "traceback": traceback.format_exc()}
        log.error("consumer fails", extra={"fields": fields})  # noqa: TRY400 - one line
        return EX_SOFTWARE


def _supervise(path: Path | None, environ: Mapping[str, str]) -> int:
    from consumer.endpoint import address_of
    from vpcflow.settings.load import load, reserved_path, say_unused

    path = path or reserved_path(environ)
    loaded = load(path, environ)
    settings = loaded.settings
    logs.configure(settings.logs.level)
    say_unused(loaded)
    me = Process.of(os.getpid())
    if me is None:
        raise ConfigError("/proc does not show this process; the consumer needs Linux with /proc")
    address = address_of(settings.metrics.listen)
    worker = daemon.worker_of(settings, environ)
    base = Path(settings.consumer.run_folder or Path(tempfile.gettempdir()) / f"vpcflow-{os.getuid()}").absolute()
    folder = RunFolder.of_worker(base, worker.application, worker.worker_id)
    command = daemon.command(
        folder, settings, java.find_java(settings.consumer.java, environ), java.find_jars(settings.consumer.jars)
    )
    clock = SystemClock()
    board = Board(folder, clock, absence=2 * settings.consumer.restart_max_seconds + _ABSENCE_SECONDS)
    supervisor = Supervisor(
        command=command,
        folder=folder,
        timing=Timing(
            grace=settings.consumer.shutdown_grace_milliseconds / 1000,
            restart_max=settings.consumer.restart_max_seconds,
        ),
        clock=clock,
        stderr=sys.stderr.buffer,
        board=board,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.ask_stop())
    child_command = _child_command(folder, me, path, environ)
    kinesis = settings.kinesis.kinesis_endpoint
    retention = RetentionReader(folder, lambda: ask_kinesis(worker.stream, worker.region, kinesis))
    with contextlib.ExitStack() as closing:

        def prepare() -> None:
            daemon.write_files(folder, settings, worker, child_command)
            if address is not None:
                closing.callback(_listen(address, board, folder).close)
            retention.start()
            closing.callback(retention.stop)

        return supervisor.run(prepare)


def _listen(address: tuple[str, int], board: Board, folder: RunFolder) -> Endpoint:
    from consumer.endpoint import Endpoint

    server = Endpoint(address, board)
    folder.note_endpoint(server.port)
    log.info("endpoint listens", extra={"fields": {"host": address[0], "port": server.port}})
    return server


def _child_command(folder: RunFolder, me: Process, settings: Path | None, environ: Mapping[str, str]) -> list[str]:
    """Return how a child is started: by this interpreter, from where this program was imported."""
    root = str(Path(__file__).resolve().parents[1])
    search = os.pathsep.join(filter(None, (root, environ.get("PYTHONPATH"))))
    command = ["env", f"PYTHONPATH={search}", sys.executable, "-P", "-m", "consumer"]
    command += ["--child", str(folder.path), "--supervisor", str(me)]
    return command + (["--settings", str(settings.absolute())] if settings else [])


if __name__ == "__main__":
    sys.exit(main())
