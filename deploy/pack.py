"""Packs the Lambdas' zip files: `make lambda`. From the same sources and the same lock come the same bytes.

A zip holds one program, the rooms that it needs, and the packages of `requirements/lambda.txt`, unpacked from their wheels
for the runtime python3.13. boto3 is not in it, the runtime has it; nothing is compiled, and no wheel's own code is run. See
https://docs.aws.amazon.com/lambda/latest/dg/python-package.html.
"""

# ruff: noqa: INP001 - a script, in a folder of templates

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from vpcflow.errors import EX_OK, VpcFlowError
from vpcflow.stack.cache import Cache, Progress, fingerprint
from vpcflow.stack.errors import StackError

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements" / "lambda.txt"
PROGRAMS = {"forwarder": "forwarder", "transform": "firehose_transform"}  # name of the zip → package
ARCHITECTURES = {"arm64": "aarch64", "x86_64": "x86_64"}  # Lambda's word → that of wheels
PYTHON = "3.13"
_GLIBC = ("manylinux2014", "manylinux_2_17", "manylinux_2_28")  # the runtime has 2.34: Amazon Linux 2023
_LEFT_OUT = ("__main__.py", "account", "cli", "demo", "faults", "generate", "migrate", "receiver", "stack")
_LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can tell
_MODE = 0o644 << 16
_UNIX = 3


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def wheels(architecture: str, python: str, cache: Cache, progress: Progress) -> list[Path]:
    """Return the locked wheels for an architecture, downloaded once, as pip is configured here. Raises StackError."""

    def build(stage: Path) -> None:
        platforms = [f"--platform={glibc}_{ARCHITECTURES[architecture]}" for glibc in _GLIBC]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-cache-dir", "--disable-pip-version-check"]
        command += ["--no-deps", "--require-hashes", "--only-binary=:all:", f"--python-version={python}"]
        command += ["--implementation=cp", *platforms, f"--dest={stage}", f"--requirement={LOCK}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise StackError(f"cannot download the wheels of {LOCK.name} for {architecture}: {said}")

    key = fingerprint(LOCK.read_text(encoding="utf-8"), architecture, python, *_GLIBC)
    return checked(cache.part(f"wheels-lambda-{architecture}", key, build, progress))


def checked(folder: Path, lock: Path = LOCK) -> list[Path]:
    """Return the wheels of a folder, each with a hash that the lock names: the cache may be old. Raises StackError."""
    found, locked = sorted(folder.glob("*.whl")), lock.read_text(encoding="utf-8")
    for wheel in found:
        if f"--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}" not in locked:
            raise StackError(f"{wheel} is not what {lock.name} says: remove {folder}, it is fetched again")
    return found


def sources(program: str) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of our own files that a program needs."""
    for package in ("vpcflow", PROGRAMS[program]):
        for path in (ROOT / package).rglob("*"):
            within = path.relative_to(ROOT / package)
            left_out = package == "vpcflow" and within.parts and within.parts[0] in _LEFT_OUT
            if path.is_file() and not left_out and "__pycache__" not in within.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_bytes()
    yield "LICENSE", (ROOT / "LICENSE").read_bytes()


def packages(found: list[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the files in wheels. Raises StackError: one would have to be installed."""
    for wheel in found:
        with zipfile.ZipFile(wheel) as opened:
            for name in opened.namelist():
                if ".data/" in name:
                    raise StackError(f"{wheel.name} has {name}: it cannot be unpacked as it is")
                if not name.endswith("/"):
                    yield name, opened.read(name)


def pack(
    program: str, architecture: str, folder: Path, cache: Cache, *, python: str = PYTHON, progress: Progress = _say
) -> Path:
    """Write PROGRAM-ARCHITECTURE.zip and return its path. Raises StackError.

    Args:
        program: of `PROGRAMS`.
        architecture: of `ARCHITECTURES`.
        folder: where it is written; made if need be.
        cache: of the wheels.
        python: version of the runtime, `3.13`.
        progress: hears of downloads.
    """
    files: dict[str, bytes] = {}
    for name, content in (*packages(wheels(architecture, python, cache, progress)), *sources(program)):
        if name in files and files[name] != content:
            raise StackError(f"{name} comes twice, with different content")
        files[name] = content
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{program}-{architecture}.zip"
    unfinished = path.with_suffix(f".{os.getpid()}")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as made:
        for name in sorted(files):
            about = zipfile.ZipInfo(name, _LONG_AGO)
            about.compress_type, about.external_attr, about.create_system = zipfile.ZIP_DEFLATED, _MODE, _UNIX
            made.writestr(about, files[name])
    unfinished.replace(path)
    return path


def main(arguments: list[str] | None = None) -> int:
    """Pack what is asked for; print where it is. Return the exit code."""
    parser = argparse.ArgumentParser(description="Pack the zip files of the Lambdas.")
    parser.add_argument("programs", nargs="*", choices=[[], *PROGRAMS], help="default: all")
    parser.add_argument("--architecture", choices=ARCHITECTURES, action="append", help="default: both")
    parser.add_argument("--to", type=Path, default=ROOT / "dist" / "lambda", help="folder; default: dist/lambda")
    chosen = parser.parse_args(arguments)
    try:
        for program in chosen.programs or PROGRAMS:
            for architecture in chosen.architecture or ARCHITECTURES:
                path = pack(program, architecture, chosen.to, Cache())
                sys.stdout.write(f"{path} {path.stat().st_size / 1e6:.1f} MB\n")
    except VpcFlowError as error:
        _say(f"error: {error}")
        return error.exit_code
    return EX_OK


if __name__ == "__main__":
    sys.exit(main())
