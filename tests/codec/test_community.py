"""Community ids: the specification's own vectors, and the rules of Elasticsearch's processor."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from vpcflow.codec.community import community_ids


def one(source: str, destination: str, first: int, last: int, protocol: int) -> str:
    packed = ip_address(source).packed, ip_address(destination).packed
    [made] = community_ids([(*packed, str(first), str(last), str(protocol))])
    return made


# https://github.com/corelight/community-id-spec/tree/master/baseline, seed 0
@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        (("128.232.110.120", "66.35.250.204", 34855, 80, 6), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (("192.168.1.52", "8.8.8.8", 54585, 53, 17), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        (("192.168.170.8", "192.168.170.56", 7, 7, 132), "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="),
        (("10.1.24.4", "10.1.12.1", 0, 0, 46), "1:/nQI4Rh/TtY3mf0R2gJFBkVlgS4="),
    ],
)
def test_the_specifications_vectors_in_both_directions(flow: tuple[str, str, int, int, int], expected: str) -> None:
    source, destination, first, last, protocol = flow
    assert one(*flow) == expected
    assert one(destination, source, last, first, protocol) == expected


def test_icmp_is_an_echo_reply() -> None:
    # The specification's vector for the request 192.168.0.89 -> 192.168.0.1, type 8; its reply has the same id.
    assert one("192.168.0.1", "192.168.0.89", 0, 0, 1) == "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="


def test_icmp_ignores_ports() -> None:
    assert one("192.168.0.1", "192.168.0.89", 77, 88, 1) == one("192.168.0.1", "192.168.0.89", 0, 0, 1)


def test_icmpv6_keeps_its_direction() -> None:
    assert one("fe80::2", "fe80::1", 0, 0, 58) != one("fe80::1", "fe80::2", 0, 0, 58)


def test_an_address_of_four_bytes_and_one_of_sixteen_are_ordered_as_numbers() -> None:
    assert one("10.0.0.1", "2600::1", 5, 6, 6) == one("2600::1", "10.0.0.1", 6, 5, 6)
    assert one("10.0.0.1", "::1", 5, 6, 6) == one("::1", "10.0.0.1", 6, 5, 6)


def test_many_rows_are_one_row_each() -> None:
    rows = [(ip_address(f"10.0.0.{n}").packed, ip_address("10.0.0.9").packed, "1", str(n), "6") for n in range(1, 20)]
    assert community_ids(rows) == [made for row in rows for made in community_ids([row])]
    assert community_ids([]) == []
