from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vpcflow import __version__

ROOT = Path(__file__).parents[2]
COMMANDS = ["demo", "decode", "generate", "setup", "settings", "doctor", "serve"]
LINE = b"2 123456789010 eni-0a 10.0.0.5 10.0.0.9 49152 443 6 20 4249 1418530010 1418530070 ACCEPT OK\n"


def python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)


def test_version(run: Callable[..., Any]) -> None:
    assert run("--version").out == f"vpcflow {__version__}\n"


def test_help_lists_every_command(run: Callable[..., Any]) -> None:
    ran = run("--help")
    assert ran.code == 0
    for command in COMMANDS:
        assert f"│ {command} " in ran.out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example(run: Callable[..., Any], command: str) -> None:
    ran = run(command, "--help")
    assert ran.code == 0
    assert f"Usage: vpcflow {command}" in ran.out
    assert "Example" in ran.out


def test_no_command_is_help_and_wrong_usage(run: Callable[..., Any]) -> None:
    ran = run()
    assert ran.code == 64
    assert "Commands" in ran.out + ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "vpcflow: No such command 'nonsense'; see vpcflow --help\n"),
        (["decode", "--nonsense"], "vpcflow decode: No such option: --nonsense"),
        (["decode", "--output", "xml"], "vpcflow decode: Invalid value for '--output': 'xml' is not one of"),
        (["generate"], "vpcflow generate: Missing option '--out' / '-o'; see vpcflow generate --help\n"),
    ],
)
def test_wrong_usage_is_one_line_and_64(run: Callable[..., Any], arguments: list[str], message: str) -> None:
    ran = run(*arguments)
    assert (ran.code, ran.out) == (64, "")
    assert ran.err.startswith(message)
    assert ran.err.count("\n") == 1


def test_an_error_of_ours_is_one_line_and_its_exit_code(run: Callable[..., Any]) -> None:
    ran = run("settings", "--settings", "none.toml")
    expected = "vpcflow: none.toml: No such file or directory; give the path of a settings file\n"
    assert (ran.code, ran.out, ran.err) == (78, "", expected)


def test_help_imports_no_client_and_no_codec() -> None:
    ran = python("""
        import sys
        from vpcflow.cli.main import main
        main(["--help"])
        heavy = {"elasticsearch", "boto3", "botocore", "tenacity", "vpcflow.codec", "vpcflow.stack", "amazon_kclpy"}
        print(sorted(heavy & sys.modules.keys()), file=sys.stderr)
    """)
    assert ran.stderr.strip() == "[]"


# A command that is not there in truth, so that a fault can be planted without touching a real one.
PLANT = """
    import sys, types
    from vpcflow.cli import main as cli
    module = types.ModuleType("vpcflow.cli.doctor")
    def doctor() -> None:
        {body}
    module.doctor = doctor
    sys.modules["vpcflow.cli.doctor"] = module
    sys.exit(cli.main({arguments}))
"""


def test_a_fault_is_one_line_and_70() -> None:
    ran = python(PLANT.format(body="raise KeyError('a\\nb')", arguments=["doctor"]))
    assert ran.returncode == 70
    assert ran.stderr.startswith("vpcflow: a fault of this program: KeyError: ")
    assert ran.stderr.count("\n") == 1


def test_debug_shows_the_traceback_of_a_fault() -> None:
    ran = python(PLANT.format(body="raise KeyError('a')", arguments=["--debug", "doctor"]))
    assert ran.returncode == 70
    assert ran.stderr.startswith("Traceback (most recent call last):")


def test_ctrl_c_is_130_and_quiet() -> None:
    body = "import signal; signal.raise_signal(signal.SIGINT)"
    ran = python(PLANT.format(body=body, arguments=["doctor"]))
    assert (ran.returncode, ran.stderr) == (130, "")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "flows.log"
    path.write_bytes(LINE * 20_000)
    command = [sys.executable, "-m", "vpcflow", "decode", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60) == 0
    assert said == b""
