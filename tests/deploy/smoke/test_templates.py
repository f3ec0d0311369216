"""The templates of a run: AWS's own linter has nothing to say, and they hold to the limits of what they name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from deploy.smoke.stack import TEMPLATES
from tests.deploy.template import Stack, read

OURS = [path for path in TEMPLATES.values() if path.parent.name == "smoke"]


def test_the_linter_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([linter, *OURS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_nobody_can_read_or_do_more_than_a_probe_needs() -> None:
    for behaviour in read(TEMPLATES["probe.yaml"].read_text())["Parameters"]["Behaviour"]["AllowedValues"]:
        given = {"Name": "smoke-0123abcd", "Behaviour": behaviour, "BucketName": "bucket"}
        stack = Stack(read(TEMPLATES["probe.yaml"].read_text()), given)
        (policy,) = stack.resources("AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]:
            assert "*" not in statement["Action"]
            assert statement["Resource"] != "*"
        assert len(f"smoke-0123abcd-{behaviour}") <= 64  # a delivery stream, a function
