"""The folder that LocalStack takes for the root of its machine, filled so that it fetches nothing: links to parts of the stack.

LocalStack's installers leave out what is there already. Everything that it writes is in this folder, too.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from importlib import resources
from pathlib import Path

from tests.integration.localstack import part
from vpcflow.stack import parts
from vpcflow.stack.cache import Cache, Progress

__all__ = ["KINESIS_VERSION", "PLUGIN", "fill"]

_STACK = resources.files("vpcflow.stack") / "data"
KINESIS_VERSION: str = json.loads((_STACK / "package.json").read_text())["dependencies"]["kinesis-local"]
"""Of the part `kinesis`. LocalStack looks for a folder of that name."""

PLUGIN = Path(__file__).resolve().parent / "plugin"
_RUNTIME = Path(__file__).resolve().parents[2] / "runtime"
_MANIFEST_BYTES = 70  # a line holds 72 at most, with its end


def fill(root: Path, cache: Cache, progress: Progress) -> None:
    """Fill an empty folder: `bin`, `plugin`, `loopback.cjs`, and LocalStack's own library."""
    libraries = root / "var" / "lib" / "localstack" / "lib"
    home = parts.java_home(cache, progress)
    _link(root / "bin" / "java", home / "bin" / "java")
    _link(root / "bin" / "node", parts.node(cache, progress))
    for version in ("11", "21"):  # 21: DynamoDB; 11: the KCL of a Firehose that reads a stream. Newer ones run both
        _link(libraries / "java" / version, home)
    package = parts.kinesis(cache, progress)
    _link(libraries / "kinesis-local" / KINESIS_VERSION / "node_modules" / "kinesis-local", package)
    _dynamodb(libraries / "dynamodb-local" / "2", parts.dynamodb(cache, progress), part.agent(cache, progress))
    (root / "loopback.cjs").write_text((_STACK / "loopback.cjs").read_text())
    (root / "tmp").mkdir()
    without = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PLUGIN, root / "plugin", ignore=without)
    shutil.copytree(_RUNTIME, root / "plugin" / "tests" / "runtime", ignore=without)


def _link(path: Path, target: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def _dynamodb(folder: Path, jars: Path, agent: Path) -> None:
    """Make the jar that LocalStack starts: nothing but a manifest, which names our main class and the jars that it needs."""
    _link(folder / "DynamoDBLocal_lib", jars)
    _link(folder / "ddb-local-loader-0.1.jar", agent)
    names = ["classes/", *(each.name for each in sorted(jars.glob("*.jar")))]
    lines = ["Manifest-Version: 1.0", "Main-Class: LoopbackDynamoDB"]
    rest = "Class-Path: " + " ".join(f"DynamoDBLocal_lib/{name}" for name in names)
    while rest:
        lines.append(rest[:_MANIFEST_BYTES])
        rest = rest[_MANIFEST_BYTES:] and f" {rest[_MANIFEST_BYTES:]}"
    with zipfile.ZipFile(folder / "DynamoDBLocal.jar", "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "\n".join([*lines, "", ""]))
