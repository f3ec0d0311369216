"""Does a path lie on storage that goes away with its container or function?"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from vpcflow.errors import ConfigError

__all__ = ["LAMBDA", "check_storage", "why_ephemeral"]

LAMBDA = "AWS_LAMBDA_FUNCTION_NAME"
_MOUNTS = Path("/proc/self/mountinfo")
# The root of a container is an overlay; what is in memory is gone with the machine.
_EPHEMERAL = {"tmpfs": "in memory (tmpfs)", "ramfs": "in memory (ramfs)", "overlay": "in the container (overlay)"}
_EPHEMERAL["aufs"] = "in the container (aufs)"


def check_storage(path: Path, environ: Mapping[str, str], *, accept_loss: bool, mounts: Path = _MOUNTS) -> None:
    """Make sure that what is written to `path` stays.

    Args:
        path: the folder of the dead letters; it need not be there.
        environ: the process's; tells a Lambda.
        accept_loss: allow what goes away with the machine.
        mounts: table of mounts, see proc_pid_mountinfo(5).

    Raises:
        ConfigError: it does not stay, and that was not accepted; in a Lambda always.
    """
    if environ.get(LAMBDA):
        raise ConfigError('deadletters.kind: a Lambda has no disk that stays; set deadletters.kind to "s3" or "sqs"')
    reason = "" if accept_loss else why_ephemeral(path, mounts)
    if reason:
        raise ConfigError(
            f"deadletters.path: {path} is {reason} and goes away with the machine; name a folder on a mounted volume, "
            'set deadletters.kind to "s3", "sqs" or "index", or accept the loss with deadletters.accept_loss = true'
        )


def why_ephemeral(path: Path, mounts: Path = _MOUNTS) -> str:
    """Return in words why what is written to `path` will not stay; '' where nothing speaks against it."""
    whole = path.resolve()
    point, kind = _mount(whole, mounts)
    if kind in _EPHEMERAL:
        return _EPHEMERAL[kind]
    temporary = Path(tempfile.gettempdir()).resolve()
    # A volume that is mounted below the temporary folder is not part of it.
    if whole.is_relative_to(temporary) and not point.is_relative_to(temporary):
        return f"in the temporary folder {temporary}"
    return ""


def _mount(path: Path, mounts: Path) -> tuple[Path, str]:
    """Return the mount that holds a path, and its file system: the longest mount point, of these the last."""
    found = (Path("/"), "")
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # no Linux
        return found
    for line in lines:
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:  # noqa: PLR2004 - the mount point is the fifth
            continue
        point = Path(_unescaped(fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= len(found[0].parts):
            found = (point, after.split(" ")[0])
    return found


def _unescaped(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
