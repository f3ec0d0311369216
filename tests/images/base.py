"""Stand-ins for the base images, which no package registry has: Debian's packages, laid out as the official ones are.

| Stand-in | for | alike in |
|---|---|---|
| `PYTHON` | python:3.13-slim-trixie | Debian trixie without manual pages, Python 3.13 as `python`, venv, apt |
| `LAMBDA` | public.ecr.aws/lambda/python:3.13 | Python 3.13 with pip in /var/lang, the real runtime client and boto3 in
/var/runtime, the code's place /var/task, the entry point |
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from tests.images.debian import architecture, mirror, run
from tests.images.engine import Engine
from vpcflow.stack.cache import fingerprint
from vpcflow.stack.errors import StackError

__all__ = ["LAMBDA", "PYTHON", "ROOT", "make_lambda", "make_python", "secrets"]

PYTHON, LAMBDA = "stand-in/python:3.13-slim-trixie", "stand-in/lambda-python:3.13"

_HERE = Path(__file__).parent
ROOT = _HERE.parents[1]
_RUN = "case $(readlink -f /etc/resolv.conf) in /run/*) ;; *) mount -n -t tmpfs tmpfs /run ;; esac;"
_SUITE = "trixie"
_PACKAGES = "ca-certificates,netbase,tzdata,python3.13,python3.13-venv"
# As Debian's own image has it: apt keeps nothing of what it fetched, and no index of it.
_CLEAN = 'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb || true"; };'
_APT = (
    'Acquire::Languages "none"',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false"',
    'Dir::Cache::pkgcache ""',
    'Dir::Cache::srcpkgcache ""',
)
_LEFT_OUT = ("man", "doc", "locale")
# What the runtime of AWS brings: its client, and boto3 with all that it needs.
_RUNTIME = (
    "awslambdaric",
    "boto3",
    "botocore",
    "jmespath",
    "python-dateutil",
    "s3transfer",
    "simplejson",
    "six",
    "urllib3",
)
# Its mounts go when it goes, however that comes about; /run is where `mount` notes them.
_ALONE = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _RUN + ' exec "$@"']
_PIP = ("index-url", "extra-index-url", "trusted-host", "proxy", "default-timeout")
_BUNDLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


def rootfs(engine: Engine) -> Path:
    """Return an archive with Debian and Python, made once. Raises StackError."""

    def build(stage: Path) -> None:
        found = mirror()
        options = ["--mode=root", "--variant=minbase", f"--include={_PACKAGES}", f"--keyring={found.keyring}"]
        options += ["--quiet", "--dpkgopt=force-unsafe-io", *(f"--aptopt={each}" for each in _APT)]
        options += [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in _LEFT_OUT]
        links = 'for name in python python3; do ln -s ../../bin/python3.13 "$1/usr/local/bin/$name"; done'
        options += [
            f"--customize-hook={links}",
            f"--customize-hook=echo '{_CLEAN}' > \"$1/etc/apt/apt.conf.d/docker-clean\"",
        ]
        # The signature is checked by that keyring; inside, Debian's own is where the source says.
        source = f"deb {found.uri} {_SUITE} main"
        tools = engine.packages / "usr" / "bin"
        run(
            [*_ALONE, "sh", str(tools / "mmdebstrap"), *options, _SUITE, str(stage / "rootfs.tar"), source],
            "stand-in base",
            env={**os.environ, "PATH": f"{tools}:/usr/sbin:/sbin:{os.environ['PATH']}", "TMPDIR": str(stage)},
        )

    key = fingerprint(_SUITE, architecture(), _PACKAGES, _CLEAN, *_APT, *_LEFT_OUT)
    return engine.cache.part("image-base", key, build, engine.progress) / "rootfs.tar"


def make_python(engine: Engine) -> None:
    """Give the engine the stand-in for Python's slim image. Raises StackError."""
    changes = [f"--change=ENV {each}" for each in ("PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8")]
    engine.docker("import", *changes, '--change=CMD ["python3"]', rootfs(engine), PYTHON)


def make_lambda(engine: Engine) -> None:
    """Give the engine the stand-in for Lambda's image, on that for Python's. Raises StackError."""
    context = engine.work / "lambda"
    context.mkdir()
    shutil.copy(_HERE / "lambda-entrypoint.sh", context)
    (context / "runtime.txt").write_text(_locked(ROOT / "requirements" / "test.txt", _RUNTIME))
    engine.build(
        _HERE / "lambda-base.Dockerfile", context, LAMBDA, f"--build-arg=BASE={PYTHON}", secrets=secrets(engine)
    )


def _locked(lock: Path, names: tuple[str, ...]) -> str:
    """Return some entries of a lock file, with their hashes."""
    entries = re.findall(r"^\S.*(?:\n[ \t].*)*\n", lock.read_text(), re.MULTILINE)
    found = [entry for entry in entries if entry.partition("==")[0] in names]
    if len(found) != len(names):
        raise StackError(f"{lock.name} has not all of {', '.join(names)}")
    return "".join(found)


def secrets(engine: Engine) -> dict[str, Path]:
    """Return what a build needs of this machine's pip, and the certificates that it trusts, as files."""
    said = run([sys.executable, "-m", "pip", "config", "list"], "pip")
    settings = {
        name: value for name, value in re.findall(r"^\S+\.([a-z-]+)='(.*)'$", said, re.MULTILINE) if name in _PIP
    }
    file, bundle = engine.work / "pip.conf", engine.work / "ca.pem"
    # In both kinds of image, wherever else their own certificates are.
    lines = ["[global]", "cert = /run/secrets/ca", *(f"{name} = {value}" for name, value in settings.items())]
    file.write_text("\n".join(lines) + "\n")
    given = [os.environ[name] for name in _BUNDLES if Path(os.environ.get(name, "")).is_file()]
    bundle.write_bytes(Path([*given, "/etc/ssl/certs/ca-certificates.crt"][0]).read_bytes())
    return {"pip": file, "ca": bundle}
