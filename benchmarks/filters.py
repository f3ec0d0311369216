"""What filters and labels cost: gzip payload → NDJSON with and without them, interleaved in one process.

    python benchmarks/filters.py [--rounds 7] [--events 32000]

Prints CPU time per line, the median over the rounds, and its ratio to decoding without either.
"""

from __future__ import annotations

import argparse
import ipaddress
import random
import statistics
import time
from collections.abc import Callable

from payloads import payloads

from vpcflow.codec import CodecOptions, Decoder
from vpcflow.codec.labels import Labels
from vpcflow.codec.origins import kinesis_origin

ORIGIN = kinesis_origin(stream="s", shard="shardId-0", sequence="1", subsequence=0, arrival_ms=1_700_000_000_000)
ENTRIES = 100_000
NETWORKS = 1_000


def labels() -> Labels:
    """Return 100,000 names of interfaces and addresses, and 1,000 of networks of many lengths."""
    pick = random.Random(1)
    entries = [(f"eni-{number:08x}", f"interface {number}") for number in range(ENTRIES // 2)]
    entries += [
        (str(ipaddress.ip_address(0x0A000000 + 37 * number)), f"host {number}") for number in range(ENTRIES // 2)
    ]
    for number in range(NETWORKS):
        prefix = pick.randrange(8, 29)
        network = ipaddress.ip_network((pick.getrandbits(32), prefix), strict=False)
        entries.append((str(network), f"network {number}"))
    entries.append(("10.0.0.0/8", "ours"))  # where all destinations of the payloads are: every line has a name
    return Labels(entries)


def runner(options: CodecOptions) -> Callable[[bytes], tuple[int, int]]:
    decoder = Decoder(options)

    def run(payload: bytes) -> tuple[int, int]:
        chunks = list(decoder.decode(payload, ORIGIN))
        return sum(chunk.count for chunk in chunks), sum(chunk.lines for chunk in chunks)

    return run


def measure(version: str, events: int, rounds: int) -> None:
    made = payloads(version, events)
    candidates = {
        "without": runner(CodecOptions()),
        "keeps all": runner(CodecOptions(include=("action in (ACCEPT, REJECT, -)",), exclude=("dstport == 1",))),
        "by address": runner(
            CodecOptions(exclude=("srcaddr in internal and dstaddr == 192.0.2.255",), internal_cidrs=("10.0.0.0/8",))
        ),
        "keeps 10 %": runner(CodecOptions(include=("srcport < 7475",))),
        "keeps none": runner(CodecOptions(include=("log-group == nothing",))),
        "labels": runner(CodecOptions(labels=labels())),
        "direction": runner(CodecOptions(internal_cidrs=("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))),
    }
    times: dict[str, list[float]] = {name: [] for name in candidates}
    kept = dict.fromkeys(candidates, 0.0)
    for _ in range(rounds):
        for name in random.sample(sorted(candidates), len(candidates)):
            begun = time.process_time()
            found = [candidates[name](payload) for payload in made]
            times[name].append((time.process_time() - begun) / events * 1e6)
            kept[name] = sum(count for count, _ in found) / sum(lines for _, lines in found)
    base = statistics.median(times["without"])
    for name, values in times.items():
        middle = statistics.median(values)
        print(f"{version}: {name:<11} {middle:6.2f} us/line  x{middle / base:4.2f}  {kept[name]:4.0%} kept")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    arguments.add_argument("--events", type=int, default=32_000)
    options = arguments.parse_args()
    for version in ("v2", "v5"):
        measure(version, options.events, options.rounds)


if __name__ == "__main__":
    main()
