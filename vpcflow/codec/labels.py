"""Names of interfaces, addresses and networks, and which side of a flow is inside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from vpcflow.codec.columns import ADDRESSES, Cells
from vpcflow.codec.document import LABELLED, json_text
from vpcflow.codec.networks import Inside, NetworkError, Networks, checked_network

__all__ = ["Labels", "directions"]

_INTERFACE = re.compile("eni-[0-9a-zA-Z-]{1,64}")
_CACHED = 131_072
_DIRECTIONS = {
    (True, True): "internal",
    (True, False): "outbound",
    (False, True): "inbound",
    (False, False): "external",
}


class _Written(dict[str, str]):
    """`cache[token]` → `,"member":"name"`, or nothing where the token has no name. Bounded: emptied when full."""

    def __init__(self, member: str, labels: Labels) -> None:
        super().__init__()
        self._member = member
        self._find = labels.interface if member == "interface" else labels.address

    def __missing__(self, token: str) -> str:
        if len(self) >= _CACHED:
            self.clear()
        name = self._find(token)
        text = self[token] = "" if name is None else f',"{self._member}":{json_text(name)}'
        return text


class Labels:
    """Names by interface, address or CIDR. An address has the name of the longest prefix that holds it."""

    def __init__(self, entries: Iterable[tuple[str, str]]) -> None:
        """Take keys and their names; of a key given twice the last name counts.

        Raises:
            ValueError: a key is no interface (`eni-…`), address or CIDR; `str()` says why.
        """
        self._interfaces: dict[str, str] = {}
        networks: list[tuple[str, str]] = []
        for key, name in entries:
            if _INTERFACE.fullmatch(key):
                self._interfaces[key] = name
            else:
                networks.append((key, name))
        self._networks = Networks(networks)
        self._written = {member: _Written(member, self) for member in LABELLED.values()}

    @staticmethod
    def check(key: str) -> None:
        """Raises ValueError for what cannot be a key, as when it is made."""
        if not _INTERFACE.fullmatch(key):
            try:
                checked_network(key)
            except NetworkError as error:
                raise ValueError(
                    f"{error}, nor an interface (eni-…)" if "neither" in str(error) else str(error)
                ) from None

    def interface(self, token: str) -> str | None:
        """Return the name of an interface."""
        return self._interfaces.get(token)

    def address(self, token: str) -> str | None:
        """Return the name of an address, as it stands in a line."""
        return self._networks.find(ADDRESSES[token])

    def written(self, columns: Mapping[str, Cells]) -> Cells:
        """Return for each row `,"labels":{…}`, or nothing where nothing of it has a name.

        columns: checked ones, by field: some of `LABELLED`.
        """
        parts = [map(self._written[LABELLED[name]].__getitem__, cells) for name, cells in columns.items()]
        joined = map("".join, zip(*parts, strict=True))
        return [f',"labels":{{{text[1:]}}}' if text else "" for text in joined]


def directions(inside: Inside, sources: Sequence[bytes], destinations: Sequence[bytes]) -> Cells:
    """Return `network.direction` of each pair of packed addresses, as seen from what is inside.

    Words of ECS: https://www.elastic.co/docs/reference/ecs/ecs-network#field-network-direction
    """
    pairs = zip(map(inside.__getitem__, sources), map(inside.__getitem__, destinations), strict=True)
    return list(map(_DIRECTIONS.__getitem__, pairs))
