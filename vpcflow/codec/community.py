"""Community ID v1, seed 0, as Elasticsearch's `community_id` processor computes it from a flow log.

https://github.com/corelight/community-id-spec. Flow logs carry no ICMP type, so the processor takes 0: for ICMP that is an
echo reply, whose counterpart is 8; for ICMPv6 it has no counterpart, and the endpoints keep their order. Protocols other than
TCP, UDP, SCTP and the two ICMPs are hashed without ports.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha1

__all__ = ["community_ids"]

_TCP, _UDP, _SCTP, _ICMP, _ICMP6 = "6", "17", "132", "1", "58"
_WITH_PORTS = frozenset((_TCP, _UDP, _SCTP))
_HEADS = {str(number): bytes((number, 0)) for number in range(256)}
_SEED = b"\0\0"
_NO_PORTS = (b"", b"")
_WITHOUT_PORTS = {_ICMP: (b"\0\0", b"\0\x08"), _ICMP6: (b"\0\0", b"\0\0")}
_ENCODED = 28


class _Ports(dict[str, bytes]):
    def __missing__(self, text: str) -> bytes:
        packed = self[text] = int(text).to_bytes(2, "big")
        return packed


_PORTS = _Ports()


def _hash_input(source: bytes, destination: bytes, first: bytes, last: bytes, protocol: str) -> bytes:
    if protocol == _ICMP6:
        return _SEED + source + destination + _HEADS[protocol] + first + last
    if len(source) == len(destination):
        swapped = source + first > destination + last
    else:
        swapped = int.from_bytes(source, "big") > int.from_bytes(destination, "big")
    if swapped:
        return _SEED + destination + source + _HEADS[protocol] + last + first
    return _SEED + source + destination + _HEADS[protocol] + first + last


def community_ids(rows: Iterable[tuple[bytes, bytes, str, str, str]]) -> list[str]:
    """Return the ids of (packed source, packed destination, source port, destination port, protocol number).

    Ports and numbers are decimal text that was checked before.
    """
    inputs: list[bytes] = []
    join = b"".join
    for source, destination, source_port, destination_port, protocol in rows:
        if protocol in _WITH_PORTS:
            first, last = _PORTS[source_port], _PORTS[destination_port]
            if len(source) == len(destination):  # nearly all: written out here, for speed
                if source > destination or (source == destination and first > last):
                    inputs.append(join((_SEED, destination, source, _HEADS[protocol], last, first)))
                else:
                    inputs.append(join((_SEED, source, destination, _HEADS[protocol], first, last)))
                continue
        else:
            first, last = _WITHOUT_PORTS.get(protocol, _NO_PORTS)
        inputs.append(_hash_input(source, destination, first, last, protocol))
    # 21 bytes a digest encode to 28 characters without padding; the last one is then always "A" where base64 of the 20
    # bytes has "=". One call of base64 for all rows instead of one each.
    digests = b"\0".join([sha1(one, usedforsecurity=False).digest() for one in inputs])
    text = b64encode(digests + b"\0").decode("ascii") if inputs else ""
    return [f"1:{text[at : at + _ENCODED - 1]}=" for at in range(0, len(text), _ENCODED)]
