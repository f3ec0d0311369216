"""A stop that comes while the consumer still looks for what it needs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_stop_before_the_daemon_is_started_is_a_good_end(tmp_path: Path) -> None:
    java, asked = tmp_path / "java", tmp_path / "asked"
    java.write_text(f"#!/bin/sh\ntouch {asked}\nexec sleep 60\n")
    java.chmod(0o700)
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "VPCFLOW_KINESIS__STREAM": "flow-logs",
        "VPCFLOW_KINESIS__REGION": "us-east-1",
        "VPCFLOW_CONSUMER__JAVA": str(java),
        "VPCFLOW_CONSUMER__RUN_FOLDER": str(tmp_path / "run"),
        "VPCFLOW_DEADLETTERS__ACCEPT_LOSS": "true",
    }
    one = subprocess.Popen([sys.executable, "-m", "consumer"], env=environ, stderr=subprocess.PIPE, cwd=tmp_path)
    try:
        end = time.monotonic() + 30
        while not asked.exists():
            assert one.poll() is None, one.communicate()[1]
            assert time.monotonic() < end, "the consumer does not look for Java"
            time.sleep(0.05)
        one.send_signal(signal.SIGTERM)
        assert one.wait(20) == 0, one.communicate()[1]
        assert not (tmp_path / "run").exists(), "nothing was begun"
    finally:
        one.kill()
        one.communicate()
