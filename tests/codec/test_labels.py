"""Names in documents, the longest prefix, and the direction of a flow."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcflow.codec import CodecOptions, Decoder, FormatRule
from vpcflow.codec import labels as labels_module
from vpcflow.codec.labels import Labels
from vpcflow.codec.networks import Inside, NetworkError, Networks
from vpcflow.types import Origin

FLOW = "2 123456789012 eni-1 {} {} 49152 443 6 20 4249 1418530010 1418530070 ACCEPT OK"
NODATA = "2 123456789012 eni-1 - - - - - - - 1418530010 1418530070 - NODATA"
WORLD = Labels(
    [
        ("eni-1", "web-1 eth0"),
        ("10.0.0.0/8", "corporate"),
        ("10.1.0.0/16", "shop"),
        ("10.1.2.3", "shop database"),
        ("2001:db8::/32", "six"),
        ("2001:db8::/64", "six, near"),
        ("::ffff:192.0.2.0/120", "mapped"),
    ]
)


def documents(text: str, **options: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    (found,) = Decoder(CodecOptions(**options)).decode(text.encode(), Origin(identity=b"here", name="test"))
    assert not found.undecodable
    return [json.loads(line) for line in found.body.split(b"\n")[1::2]]


def labelled(source: str, destination: str = "203.0.113.1", labels: Labels = WORLD, **options: Any) -> object:  # noqa: ANN401
    (found,) = documents(FLOW.format(source, destination), labels=labels, **options)
    return found.get("labels")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("10.9.9.9", "corporate"),
        ("10.1.9.9", "shop"),
        ("10.1.2.3", "shop database"),
        ("::ffff:10.1.2.3", "shop database"),
        ("11.0.0.1", None),
        ("2001:db8::1", "six, near"),
        ("2001:db8:1::1", "six"),
        ("2001:db9::1", None),
        ("192.0.2.9", "mapped"),
    ],
)
def test_the_longest_prefix_wins(address: str, name: str | None) -> None:
    for shape in ("ecs", "raw"):
        expected = {"interface": "web-1 eth0"} | ({"source": name} if name else {})
        assert labelled(address, shape=shape) == expected
        expected = {"interface": "web-1 eth0"} | ({"destination": name} if name else {})
        assert labelled("203.0.113.1", address, shape=shape) == expected


def test_only_what_has_a_name_is_there() -> None:
    assert labelled("11.0.0.1", labels=Labels([("eni-2", "other"), ("12.0.0.0/8", "other")])) is None
    assert labelled("11.0.0.1", labels=Labels([("11.0.0.1", "alone")])) == {"source": "alone"}
    (nodata,) = documents(NODATA, labels=WORLD)
    assert nodata["labels"] == {"interface": "web-1 eth0"}
    without = documents("1 2 1418530070", formats=_rule("srcport dstport end"), labels=WORLD)
    assert "labels" not in without[0]


def _rule(text: str) -> tuple[Any, ...]:
    return (FormatRule(format=text),)


def test_without_settings_there_is_nothing_new() -> None:
    (found,) = documents(FLOW.format("10.0.0.1", "10.0.0.2"))
    assert "labels" not in found
    assert "direction" not in found["network"]


@pytest.mark.parametrize(
    "name", ['a "b"', "back\\slash", "tab\there", "\u20ac \U0001f600", "\0\x01", "\ud800", "{}", "x" * 1024]
)
def test_names_of_any_characters(name: str) -> None:
    expected = name.replace("\ud800", "?")
    labels = Labels([("eni-1", name), ("10.0.0.0/8", name)])
    assert labelled("10.0.0.1", "10.0.0.2", labels=labels) == dict.fromkeys(
        ("interface", "source", "destination"), expected
    )


def test_a_line_with_escapes_has_names_too() -> None:
    rule = _rule("interface-id srcaddr vpc-id end")
    (found,) = documents('eni-1 10.1.2.3 vpc-"1" 1418530070', formats=rule, labels=WORLD)
    assert found["labels"] == {"interface": "web-1 eth0", "source": "shop database"}


def test_names_do_not_wander_between_lines() -> None:
    lines = [FLOW.format(f"10.{at % 3}.2.{at % 7}", f"11.0.0.{at}") for at in range(200)]
    together = documents("\n".join(lines), labels=WORLD)
    alone = [documents(line, labels=WORLD)[0] for line in lines]
    assert [one["labels"] for one in together] == [one["labels"] for one in alone]


def test_the_last_name_of_a_key_counts() -> None:
    assert labelled("10.0.0.1", labels=Labels([("10.0.0.1", "old"), ("10.0.0.1/32", "new")])) == {"source": "new"}


@pytest.mark.parametrize("key", ["eni-", "eni 1", "web", "10.0.0.0/33", "10.0.0.1/8", "", "fe80::1%eth0", "i-0abc"])
def test_what_is_no_key(key: str) -> None:
    with pytest.raises(ValueError):
        Labels.check(key)
    with pytest.raises(ValueError):
        Labels([(key, "name")])


def test_caches_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels_module, "_CACHED", 5)
    labels = Labels([("10.0.0.0/8", "ten")])
    lines = [FLOW.format(f"10.0.0.{at}", "11.0.0.1") for at in range(100)]
    assert all(one["labels"] == {"source": "ten"} for one in documents("\n".join(lines), labels=labels))
    assert len(labels._written["source"]) <= 5


NETWORKS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)), st.tuples(st.ip_addresses(v=6), st.integers(0, 128))
).map(lambda pair: ipaddress.ip_network(pair, strict=False))


@given(st.lists(NETWORKS, max_size=12), st.data())
def test_networks_agree_with_the_library(networks: list[Any], data: st.DataObject) -> None:
    networks = [one for one in networks if one.version == 4 or one.network_address.ipv4_mapped is None]
    found = Networks((str(one), str(one)) for one in networks)
    inside = Inside([str(one) for one in networks])
    near = [one.network_address for one in networks] + [one.broadcast_address for one in networks]
    near = [one for one in near if one.version == 4 or one.ipv4_mapped is None]
    strategies = [st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda one: one.ipv4_mapped is None)]
    if near:
        strategies.append(st.sampled_from(near))
    address = data.draw(st.one_of(strategies))
    holding = [one for one in networks if one.version == address.version and address in one]
    longest = max(holding, key=lambda one: one.prefixlen, default=None)
    assert found.find(address.packed) == (str(longest) if longest is not None else None)
    assert inside[address.packed] == bool(holding)


@pytest.mark.parametrize("text", ["", "10.0.0", "10.0.0.0/33", "10.0.0.1/8", "a/8", "::1%1"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(NetworkError, match=r"neither|beyond|zone"):
        Networks([(text, 1)])


@pytest.mark.parametrize(
    ("source", "destination", "direction"),
    [
        ("10.0.0.1", "10.9.0.1", "internal"),
        ("10.0.0.1", "203.0.113.1", "outbound"),
        ("203.0.113.1", "10.0.0.1", "inbound"),
        ("203.0.113.1", "198.51.100.1", "external"),
        ("fd00::1", "2001:db8::1", "outbound"),
        ("::ffff:10.0.0.1", "10.0.0.2", "internal"),
    ],
)
def test_direction(source: str, destination: str, direction: str) -> None:
    (found,) = documents(FLOW.format(source, destination), internal_cidrs=("10.0.0.0/8", "fd00::/8"))
    assert found["network"]["direction"] == direction
    (raw,) = documents(FLOW.format(source, destination), internal_cidrs=("10.0.0.0/8",), shape="raw")
    assert "network" not in raw


@pytest.mark.parametrize(
    ("line", "direction"), [("10.0.0.1 10.0.0.2 egress 1", "egress"), ("10.0.0.1 10.0.0.2 - 1", "internal")]
)
def test_the_flow_s_own_direction_goes_first(line: str, direction: str) -> None:
    rule = _rule("srcaddr dstaddr flow-direction end")
    (found,) = documents(f"{line}418530070", formats=rule, internal_cidrs=("10.0.0.0/8",))
    assert found["network"]["direction"] == direction


@pytest.mark.parametrize("line", ["10.0.0.1 - 1418530070", "- 10.0.0.1 1418530070"])
def test_one_address_has_no_direction(line: str) -> None:
    (found,) = documents(line, formats=_rule("srcaddr dstaddr end"), internal_cidrs=("10.0.0.0/8",))
    assert "direction" not in found.get("network", {})


def test_cidrs_that_are_none() -> None:
    with pytest.raises(NetworkError):
        Decoder(CodecOptions(internal_cidrs=("10.0.0.1/8",)))
