"""S3 objects: lines a second and memory, for a whole object of the size that AWS writes at most.

    python benchmarks/objects.py [--megabytes 75] [--lines 2000000] [--parquet] [--only text,skip,…]

Every figure comes from an interpreter of its own, which reads the object from a server on loopback in a process of its own.
`text` cuts blocks; `skip` goes over all lines, as a hand-over does that comes to an object's end; `decode` makes documents
of the blocks, too. Memory is the peak of the resident set over what it was before the object was asked for. The object's
addresses, ports and counts are random: it packs as badly as real flows do.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
BATCH = 10_000
KEY = "AWSLogs/123456789012/vpcflowlogs/eu-central-1/2026/11/25/flows.log"


def rows(count: int) -> Iterator[str]:
    """Yield lines of the default format."""
    dice = random.Random(3)
    number, pick = dice.randrange, dice.choice
    interfaces = [f"eni-{dice.getrandbits(68):017x}" for _ in range(400)]
    for n in range(count):
        source = f"10.{number(256)}.{number(256)}.{number(256)}"
        target = f"{number(1, 224)}.{number(256)}.{number(256)}.{number(256)}"
        ports = f"{number(1024, 65_536)} {pick((443, 443, 80, 53, 22, number(65_536)))}"
        start = 1_764_000_000 + n // 4000
        sizes = f"{number(1, 5000)} {number(40, 9_000_000)}"
        yield f"2 123456789012 {pick(interfaces)} {source} {target} {ports} 6 {sizes} {start} {start + 60} ACCEPT OK"


def write_text(path: Path, lines: int, size: int) -> int:
    """Write a gzip object of so many lines; it ends before where it would be larger than `size` bytes."""
    written = 0
    source = rows(lines)
    with path.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0) as file:
        file.write(f"{HEADER}\n".encode())
        while raw.tell() < size:
            batch = [line for _, line in zip(range(BATCH), source, strict=False)]
            if not batch:
                break
            file.write("\n".join([*batch, ""]).encode())
            written += len(batch)
    return written


def write_parquet(path: Path, lines: int) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    narrow, wide = {"version", "srcport", "dstport", "protocol"}, {"packets", "bytes", "start", "end"}
    names = HEADER.split()
    kinds = [pa.int32() if name in narrow else pa.int64() if name in wide else pa.string() for name in names]
    schema = pa.schema([(name.replace("-", "_"), kind) for name, kind in zip(names, kinds, strict=True)])
    source, group = rows(lines), 20 * BATCH
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, lines, group):
            cells = [line.split(" ") for _, line in zip(range(min(group, lines - start)), source, strict=False)]
            columns = [
                pa.array(column if kind == pa.string() else list(map(int, column)), kind)
                for column, kind in zip(zip(*cells, strict=True), kinds, strict=True)
            ]
            writer.write_table(pa.table(columns, schema=schema))
    return lines


def serve(path: Path) -> None:
    """Answer each request with the file, or a range of it, until the standard input ends."""
    import threading

    size = path.stat().st_size

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            span = self.headers.get("Range", "").removeprefix("bytes=")
            first, _, last = span.partition("-")
            start = (int(first) if first else max(0, size - int(last))) if span else 0
            end = min(int(last) + 1 if first and last else size, size)
            self.send_response(206 if span else 200)
            self.send_header("ETag", '"etag"')
            self.send_header("Content-Length", str(end - start))
            if span:
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
            self.end_headers()
            with path.open("rb") as file:
                file.seek(start)
                left = end - start
                while left:
                    piece = file.read(min(left, 1 << 20))
                    left -= len(piece)
                    self.wfile.write(piece)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


def peak_bytes() -> int:
    """Return the largest resident set since `forget_peak`. `ru_maxrss` would tell that of whoever started us."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def forget_peak() -> None:
    """See `man 5 proc`, clear_refs."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def measure(kind: str, port: str, key: str, lines: int) -> dict[str, Any]:
    """Read the object once in this process."""
    from vpcflow.clock import SystemClock
    from vpcflow.codec import Decoder
    from vpcflow.codec.origins import s3_origin
    from vpcflow.objects.block import Block
    from vpcflow.objects.fetching import s3_client
    from vpcflow.objects.reading import Bounds, open_object
    from vpcflow.objects.reference import ObjectRef, Resume

    if key.endswith(".parquet"):
        import vpcflow.objects.rows  # noqa: F401 - pyarrow is there before memory is looked at
    s3 = s3_client(region="eu-central-1", endpoint=f"http://127.0.0.1:{port}")
    resume = Resume(etag="etag", line=lines) if kind == "skip" else None
    ref = ObjectRef(bucket="b", key=key, resume=resume)
    decoder, origin = Decoder(), s3_origin(bucket="b", key=key, etag="etag")
    warm = next(rows(1)).encode()
    list(decoder.decode(warm, origin))
    forget_peak()
    before, cpu, wall = peak_bytes(), time.process_time(), time.perf_counter()
    found = documents = 0
    with open_object(s3, ref, bounds=Bounds(), clock=SystemClock()) as opened:
        for block in opened.blocks():
            if not isinstance(block, Block):
                raise TypeError(str(block))
            found += block.lines
            if kind == "decode":
                documents += sum(chunk.count for chunk in decoder.decode(block.data, origin, at=block.at))
    return {
        "lines": found,
        "documents": documents,
        "cpu": time.process_time() - cpu,
        "wall": time.perf_counter() - wall,
        "over": peak_bytes() - before,
        "peak": peak_bytes(),
    }


def measured(kind: str, path: Path, lines: int) -> dict[str, Any]:
    """Read the object in a fresh process, from a server in another one."""
    environ = {**os.environ, "AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    me = [sys.executable, __file__]
    with subprocess.Popen(
        [*me, "--serve", str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        name = KEY + path.suffix
        done = subprocess.run(
            [*me, "--measure", kind, port, name, str(lines)], env=environ, check=True, capture_output=True, text=True
        )
        assert server.stdin is not None
        server.stdin.close()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def report(kind: str, found: dict[str, Any], lines: int) -> None:
    rate = lines / found["cpu"]
    per_million = found["cpu"] / lines * 1e6
    print(
        f"{kind:<16}{rate:>12,.0f} lines/s{per_million:>8.2f} s CPU per million"
        f"{found['over'] / 1e6:>9.1f} MB over start{found['peak'] / 1e6:>8.0f} MB in all"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=75)
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--parquet", action="store_true", help="the same for a Parquet file")
    parser.add_argument("--only", default="text,skip,decode")
    parser.add_argument("--json", action="store_true", help="one JSON object a line instead of words")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve)
        return
    if asked.measure:
        kind, port, key, lines = asked.measure
        sys.stdout.write(json.dumps(measure(kind, port, key, int(lines))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("flows.parquet" if asked.parquet else "flows.gz")
        count = (
            write_parquet(path, asked.lines)
            if asked.parquet
            else write_text(path, asked.lines, int(asked.megabytes * 1e6))
        )
        size = path.stat().st_size
        if not asked.json:
            print(f"{size / 1e6:.1f} MB, {count:,} lines")
        for kind in asked.only.split(","):
            found = measured(kind, path, count + 1)
            if asked.json:
                print(json.dumps({"kind": kind, "size": size, "written": count, **found}))
            else:
                report(kind, found, count)


if __name__ == "__main__":
    main()
