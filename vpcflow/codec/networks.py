"""Networks (CIDR) and what belongs to each: the longest prefix that holds an address wins."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Generic, TypeVar

__all__ = ["Inside", "NetworkError", "Networks", "checked_network"]

_Value = TypeVar("_Value")
_MAPPED_BITS = 96  # ::ffff:0:0/96 holds IPv4 addresses, which are such for us however they are written
_CACHED = 131_072


class NetworkError(ValueError):
    """Text that is neither an address nor a network; `str()` says why."""


def checked_network(text: str) -> tuple[int, int, int]:
    """Return an address or CIDR as its length in bytes (4 or 16), its first address, and its prefix in bits.

    Raises:
        NetworkError: it is none, or it has bits beyond its prefix.
    """
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise NetworkError(_why_not(text)) from None
    first, prefix = int(network.network_address), network.prefixlen
    if isinstance(network, ipaddress.IPv6Network):
        if network.network_address.scope_id:
            raise NetworkError(f"{text!r} has a zone; addresses in flow logs have none")
        mapped = network.network_address.ipv4_mapped
        if mapped is None or prefix < _MAPPED_BITS:
            return 16, first, prefix
        return 4, int(mapped), prefix - _MAPPED_BITS
    return 4, first, prefix


def _why_not(text: str) -> str:
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is neither an address nor a CIDR"
    return f"{text!r} has bits beyond its prefix; {meant} is the network, {text.partition('/')[0]} the address"


class Networks(Generic[_Value]):
    """Finds what belongs to an address. A network given twice has its last value. At most one look-up for each prefix."""

    def __init__(self, entries: Iterable[tuple[str, _Value]]) -> None:
        """Take addresses and CIDRs, each with its value. Raises NetworkError."""
        tables: dict[int, dict[int, dict[int, _Value]]] = {}
        for text, value in entries:
            size, first, prefix = checked_network(text)
            shift = size * 8 - prefix
            tables.setdefault(size, {}).setdefault(shift, {})[first >> shift] = value
        self._tables = {size: sorted(by_shift.items()) for size, by_shift in tables.items()}

    def find(self, packed: bytes) -> _Value | None:
        """Return the value of the longest prefix that holds the address of 4 or 16 bytes, or None."""
        number = int.from_bytes(packed)
        for shift, table in self._tables.get(len(packed), ()):
            found = table.get(number >> shift)
            if found is not None:
                return found
        return None


class Inside(dict[bytes, bool]):
    """`inside[packed]`: whether one of the networks holds an address. Bounded: emptied when full."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Raises NetworkError."""
        super().__init__()
        self._networks = Networks((text, True) for text in networks)

    def __missing__(self, packed: bytes) -> bool:
        """Look it up and remember it."""
        if len(self) >= _CACHED:
            self.clear()
        found = self[packed] = self._networks.find(packed) is not None
        return found
