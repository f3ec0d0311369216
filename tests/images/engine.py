"""A container engine out of Debian's packages: unpacked, run as root in namespaces of its own, nothing installed."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.images.debian import unpacked
from vpcflow.stack.cache import Cache, Progress, quiet
from vpcflow.stack.errors import StackError
from vpcflow.stack.server import Watch, end_group

__all__ = ["Engine"]

_SUITE = "bookworm"
_PACKAGES = ("docker.io", "containerd", "runc", "libdevmapper1.02.1", "libseccomp2", "busybox-static", "mmdebstrap")
_LIBRARIES = ("libdevmapper.so*", "libseccomp.so*")  # what a machine without an engine may lack
_SCRIPT = Path(__file__).with_name("engine.sh")
_CGROUPS = Path("/sys/fs/cgroup")
_READY_SECONDS = 60.0
_NAME = "vpcflow-images-"


class Engine:
    """Use it as a context. Needs root; raises StackError with the reason where it cannot run."""

    def __init__(self, cache: Cache | None = None, progress: Progress = quiet) -> None:
        self.cache = cache or Cache()
        self.progress = progress
        self.work = Path()
        self.packages = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: Watch | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Fetch what is missing, start it, and see that it runs a container. Raises StackError."""
        if os.geteuid() != 0:
            raise StackError("a container engine needs root")
        self.packages = packages(self.cache, self.progress)
        _remove_cgroups(dead=True)
        self.work = Path(tempfile.mkdtemp(prefix=_NAME))
        try:
            self._launch()
            self._try()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it with all that runs in it, and remove all that it wrote; harmless when nothing runs."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait()
            end_group(self._process.pid)
            self._process = None
        if self._watch is not None:
            self._watch.dismiss()
            self._watch = None
        _remove_cgroups(dead=False)
        if self.work != Path():
            shutil.rmtree(self.work, ignore_errors=True)
            self.work = Path()

    @property
    def environ(self) -> dict[str, str]:
        """Return what a client needs to find this engine and no other."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.work),
            "DOCKER_HOST": f"unix://{self.work / 'docker.sock'}",
            "DOCKER_CONFIG": str(self.work / "client"),
            "DOCKER_BUILDKIT": "1",
            "BUILDKIT_PROGRESS": "plain",
        }

    @property
    def client(self) -> str:
        """Return the client that came with the engine: a newer one would refuse to build without a plugin."""
        return str(self.packages / "usr" / "bin" / "docker")

    def docker(
        self, *arguments: str | Path, check: bool = True, seconds: float = 600, stdin: Path | None = None
    ) -> str:
        """Run the client; return its stdout and stderr. Raises StackError with their end, unless `check` is false."""
        with contextlib.ExitStack() as closing:
            given = closing.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
            done = subprocess.run(
                [self.client, *map(str, arguments)],
                env=self.environ, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=seconds, check=False,
            )  # fmt: skip
        said = done.stdout.decode(errors="replace").strip()
        if check and done.returncode:
            end = "\n".join(said.splitlines()[-40:])
            raise StackError(f"docker {arguments[0]} failed with exit code {done.returncode}:\n{end}")
        return said

    def build(self, file: Path, context: Path, tag: str, *more: str, secrets: Mapping[str, Path]) -> str:
        """Build an image on the machine's network; return what was said."""
        given = [f"--secret=id={name},src={path}" for name, path in secrets.items()]
        proxies = [f"--build-arg={name}" for name in os.environ if re.fullmatch("(?i)(https?|no)_proxy", name)]
        return self.docker(
            "build", "--network=host", f"--file={file}", f"--tag={tag}", *given, *proxies, *more, context, seconds=1200
        )

    def _launch(self) -> None:
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        cgroup = f"/{_NAME}{os.getpid()}"
        with (self.work / "engine.log").open("wb") as log:
            try:
                self._process = subprocess.Popen(
                    [*namespaces, "sh", str(_SCRIPT), str(self.work), str(self.packages), cgroup],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
                )  # fmt: skip
            except OSError as error:
                raise StackError(f"a container engine needs unshare, of util-linux: {error}") from error
        self._watch = Watch([self._process.pid], self.work)
        end = time.monotonic() + _READY_SECONDS
        while subprocess.run([self.client, "info"], env=self.environ, capture_output=True, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > end:
                raise StackError(f"the container engine does not start: {self._last_words()}")
            time.sleep(0.2)

    def _last_words(self) -> str:
        lines = [line for name in ("containerd.log", "engine.log") for line in self._lines(name)]
        told = [line for line in lines if "level=fatal" in line or "failed to start" in line]
        return (told or lines or ["it says nothing"])[-1][:400]

    def _lines(self, name: str) -> list[str]:
        path = self.work / name
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def _try(self) -> None:
        """Run a container: an engine that starts may still not be let to."""
        root = self.work / "probe"
        (root / "bin").mkdir(parents=True)
        shutil.copy(self.packages / "bin" / "busybox", root / "bin" / "true")
        subprocess.run(["tar", "-C", root, "-cf", self.work / "probe.tar", "."], check=True)
        self.docker("import", self.work / "probe.tar", "probe", seconds=60)
        self.docker("run", "--rm", "--network=host", "--read-only", "--cap-drop=all", "probe", "/bin/true", seconds=60)


def packages(cache: Cache, progress: Progress = quiet) -> Path:
    """Return the folder with the engine's programs, fetched if need be; its libraries are in `libraries`."""

    def gather(stage: Path) -> None:
        found = [path for pattern in _LIBRARIES for path in stage.glob(f"**/{pattern}")]
        (stage / "libraries").mkdir()
        for path in found:
            shutil.copy(path, stage / "libraries" / path.name)

    return unpacked("container-engine", _SUITE, _PACKAGES, cache, progress, finish=gather)


def _remove_cgroups(*, dead: bool) -> None:
    """Remove the control groups of our containers, or of those whose engine was killed."""
    for path in [*_CGROUPS.glob(f"{_NAME}*"), *_CGROUPS.glob(f"*/{_NAME}*")]:
        pid = path.name.removeprefix(_NAME)
        if (pid == str(os.getpid())) is dead or (dead and Path(f"/proc/{pid}").exists()):
            continue
        for each in sorted(path.rglob("*"), key=lambda one: len(one.parts), reverse=True):
            if each.is_dir():
                with contextlib.suppress(OSError):
                    each.rmdir()
        with contextlib.suppress(OSError):
            path.rmdir()
