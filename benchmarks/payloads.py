"""Seeded CloudWatch payloads for the benchmarks: v2 and 29-field lines, one log stream a payload, as CloudWatch delivers."""

from __future__ import annotations

import gzip
import json
import random

V2 = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status"
)
V5 = (
    f"{V2} vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region az-id sublocation-type sublocation-id"
    " pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path"
)
NAMES = {"v2": V2.split(), "v5": V5.split()}


def _address(pick: random.Random, known: list[str]) -> str:
    if pick.random() < 0.2:
        return ".".join(str(pick.randrange(1, 255)) for _ in range(4))
    return known[min(int(pick.paretovariate(1.1)) - 1, len(known) - 1)]


def _line(pick: random.Random, known: list[str], eni: str, start: int, version: str) -> str:
    source, destination = _address(pick, known), f"10.0.{pick.randrange(4)}.{pick.randrange(1, 255)}"
    if pick.random() < 0.03:
        source, destination = f"2600:1f18::{pick.randrange(1, 9999):x}", f"2600:1f18:1::{pick.randrange(1, 99):x}"
    protocol = pick.choices(("6", "17", "1"), (80, 17, 3))[0]
    ports = (
        (0, 0)
        if protocol == "1"
        else (pick.randrange(1024, 65536), pick.choice((22, 53, 80, 443, 443, 443, 3389, 5432)))
    )
    packets = int(pick.paretovariate(0.8)) % 100_000 + 1
    action = "ACCEPT" if pick.random() > 0.15 else "REJECT"
    number = "2" if version == "v2" else "5"
    text = (
        f"{number} 123456789012 {eni} {source} {destination} {ports[0]} {ports[1]} {protocol} {packets}"
        f" {packets * pick.randrange(40, 1500)} {start} {start + pick.randrange(1, 60)} {action} OK"
    )
    if version == "v5":
        service = pick.choices(("-", "AMAZON", "S3"), (90, 6, 4))[0]
        text += (
            f" vpc-0a1b2c3d subnet-{eni[-4:]} i-{eni[4:]} {pick.choice((2, 18, 3, 19, 0))} IPv4 {source} {destination}"
            f" us-east-1 use1-az{len(eni) % 3 + 1} - - {service} - ingress 1"
        )
    return text


def payloads(version: str, events: int = 32_000, each: int = 1_333, seed: int = 42) -> list[bytes]:
    """Return gzip payloads that hold `events` clean lines (every one OK: the yardstick reads no others)."""
    pick = random.Random(seed)
    known = [".".join(str(pick.randrange(1, 255)) for _ in range(4)) for _ in range(4000)]
    made = []
    for first in range(0, events, each):
        eni = f"eni-{pick.getrandbits(68):017x}"
        start = 1_700_000_000 + first
        rows = [
            {
                "id": f"{pick.getrandbits(180):056d}"[:56],
                "timestamp": start * 1000,
                "message": _line(pick, known, eni, start + pick.randrange(60), version),
            }
            for _ in range(min(each, events - first))
        ]
        payload = {
            "messageType": "DATA_MESSAGE", "owner": "123456789012", "logGroup": "vpc-flow-logs", "logStream": f"{eni}-all",
            "subscriptionFilters": ["all"], "logEvents": rows,
        }  # fmt: skip
        made.append(gzip.compress(json.dumps(payload, separators=(",", ":")).encode(), 6, mtime=0))
    return made
