"""A quick look that the benchmarks run and that speed has not collapsed: small input, few rounds, a low floor.

Not a measurement: `python benchmarks/codec.py --floor 3.5` is.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    script = Path(__file__).with_name("codec.py")
    command = [sys.executable, str(script), "--rounds", "3", "--events", "8000", "--floor", "2.0"]
    sys.exit(subprocess.run(command, check=False).returncode)
