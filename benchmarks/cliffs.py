"""What odd input costs, against clean input, a line: no kind of damage should be a cliff.

python benchmarks/cliffs.py [--lines 5000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import gzip
import time

from vpcflow.codec import Decoder
from vpcflow.types import Origin

LINE = "2 123456789010 eni-1235b8ca 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK"
BAD = LINE.replace(" 22 ", " 99999 ")


def cases(lines: int) -> dict[str, bytes]:
    def text(rows: list[str]) -> bytes:
        return "\n".join(rows).encode()

    every = range(lines)
    return {
        "clean": text([LINE] * lines),
        "all bad": text([BAD] * lines),
        "one bad in 512": text([BAD if at % 512 == 7 else LINE for at in every]),
        "every other bad": text([BAD if at % 2 else LINE for at in every]),
        "many column counts": text(["x " * (at % 40 + 1) for at in every]),
        "damaged JSON": text(['{"message":'] * lines),
        "a gzip member for each line": gzip.compress(f"{LINE}\n".encode()) * lines,
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--lines", type=int, default=5000)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    made = cases(options.lines)
    best = dict.fromkeys(made, float("inf"))
    decoder = Decoder()
    for _ in range(options.rounds):
        for name, data in made.items():
            begun = time.process_time()
            list(decoder.decode(data, Origin(name="cliffs")))
            best[name] = min(best[name], time.process_time() - begun)
    for name, seconds in best.items():
        print(f"{name:30} {seconds / options.lines * 1e6:7.2f} us/line  x {seconds / best['clean']:.2f}")


if __name__ == "__main__":
    main()
