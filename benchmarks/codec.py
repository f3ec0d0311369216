"""gzip payload → NDJSON, against the yardstick, interleaved in one process.

    python benchmarks/codec.py [--rounds 7] [--events 32000] [--floor 3.5]

Prints CPU time per event (median over the rounds) and the ratio. The yardstick is a fixed file outside the product
(VPCFLOW_YARDSTICK, else ../shared/yardstick/plain.py); without it only our own figure is printed. Exits with 1 when the ratio
on v2 is below --floor. The last line is the same v2 lines as text, an object's in blocks: what being a run costs, and what
`log.offset` adds (nothing is unpacked or parsed there, so it is not to be compared with the other lines).
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from payloads import NAMES, payloads

from vpcflow.codec import CodecOptions, Decoder
from vpcflow.codec.origins import kinesis_origin, s3_origin
from vpcflow.types import LinesAt

BLOCK_LINES = 8_000  # about objects.block_bytes
YARDSTICK = Path(os.environ.get("VPCFLOW_YARDSTICK") or Path(__file__).parents[2] / "shared/yardstick/plain.py")


def ours() -> Callable[[bytes, list[str]], bytes]:
    decoder = Decoder(CodecOptions())
    origin = kinesis_origin(stream="s", shard="shardId-0", sequence="1", subsequence=0, arrival_ms=1_700_000_000_000)

    def convert(payload: bytes, _: list[str]) -> bytes:
        chunks = list(decoder.decode(payload, origin))
        assert not any(chunk.undecodable for chunk in chunks)
        return b"".join(chunk.body for chunk in chunks)

    return convert


def plain() -> Callable[[bytes, list[str]], bytes] | None:
    if not YARDSTICK.exists():
        return None
    spec = importlib.util.spec_from_file_location("yardstick", YARDSTICK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[bytes, list[str]], bytes] = module.convert
    return found


def measure(version: str, events: int, rounds: int) -> dict[str, float]:
    made = payloads(version, events)
    runners = {"vpcflow": ours(), "yardstick": plain()}
    candidates = {name: run for name, run in runners.items() if run is not None}
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name in random.sample(sorted(candidates), len(candidates)):
            begun = time.process_time()
            for payload in made:
                candidates[name](payload, NAMES[version])
            times[name].append((time.process_time() - begun) / events * 1e6)
    return {name: statistics.median(values) for name, values in times.items()}


def measure_text(events: int, rounds: int) -> dict[str, float]:
    """Return CPU microseconds per line of text: as records, and as runs without and with offsets."""
    unpacked = [json.loads(gzip.decompress(payload)) for payload in payloads("v2", events)]
    lines = [event["message"] for payload in unpacked for event in payload["logEvents"]]
    blocks = ["\n".join(lines[at : at + BLOCK_LINES]).encode() for at in range(0, len(lines), BLOCK_LINES)]
    decoder = Decoder(CodecOptions())
    origin = s3_origin(bucket="logs", key="flows.log.gz", etag="9b2cf535f27731c974343645a3985328")
    kinds = {"record": None, "run": LinesAt(position=1), "run with log.offset": LinesAt(position=1, offset=100)}
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name in random.sample(sorted(kinds), len(kinds)):
            begun = time.process_time()
            count = sum(chunk.count for block in blocks for chunk in decoder.decode(block, origin, at=kinds[name]))
            times[name].append((time.process_time() - begun) / events * 1e6)
            assert count == events
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--events", type=int, default=32_000)
    arguments.add_argument("--floor", type=float, default=0.0)
    options = arguments.parse_args()
    low = False
    for version in ("v2", "v5"):
        found = measure(version, options.events, options.rounds)
        line = "  ".join(f"{name} {value:6.2f} us/event" for name, value in found.items())
        ratio = found["yardstick"] / found["vpcflow"] if "yardstick" in found else None
        print(f"{version}: {line}  " + (f"ratio {ratio:.2f}" if ratio else f"no yardstick at {YARDSTICK}"))
        low = low or (version == "v2" and ratio is not None and ratio < options.floor)
    text = measure_text(options.events, options.rounds)
    print("text: " + "  ".join(f"{name} {value:.2f} us/line" for name, value in text.items()))
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
