"""The document's shape for one set of fields: a template with sites, and what goes into each.

A column that is `-` is as good as absent, so a line belongs to the template of its other columns; nothing in a template is
optional but the transport's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from vpcflow.codec.fields import Field, Form
from vpcflow.codec.options import CodecOptions

__all__ = ["ECS_VERSION", "LABELLED", "Layout", "Site", "json_text", "layout", "pieces"]

ECS_VERSION = "8.11.0"
# The fields that may have names (`vpcflow.codec.labels`), and their members of `labels` in the document.
LABELLED = {"interface-id": "interface", "srcaddr": "source", "dstaddr": "destination"}
_COMMUNITY_FIELDS = frozenset(("srcaddr", "dstaddr", "srcport", "dstport", "protocol"))
# Where a row's value goes; JSON text never holds a control character as it is.
_SITE = "\0"
_QUOTED_SITE = f'"{_SITE}"'
# Brackets a dotted name in a template, until `pieces` puts the record's own constant there.
_MARK = "\x01"


@dataclass(frozen=True, slots=True)
class Site:
    """One place.

    source: a field's name, or `id`, `hash`, `index`, `time`, `message`, `offset`, `network_type`, `community_id`, `labels`,
        `direction`.
    """

    source: str
    form: Form = Form.TEXT


@dataclass(frozen=True, slots=True)
class Layout:
    """template: one action line and one document line. sites: the distinct ones; order: which one each place is."""

    template: str
    sites: tuple[Site, ...]
    order: tuple[int, ...]


class _Leaf:
    def __init__(self, text: str, *sites: Site, fragment: bool = False) -> None:
        self.text, self.sites, self.fragment = text, sites, fragment


def json_text(value: object) -> str:
    """Return JSON. Half a surrogate pair, which JSON can say and UTF-8 cannot, becomes `?`."""
    if isinstance(value, str) and not value.isascii():
        value = value.encode("utf-8", "replace").decode()
    return orjson.dumps(value).decode()


def _put(tree: dict[str, Any], path: str, leaf: _Leaf) -> None:
    *parents, last = path.split(".")
    for name in parents:
        tree = tree.setdefault(name, {})
    tree[last] = leaf


def _written(node: dict[str, Any], sites: list[Site]) -> str:
    # A fragment brings its own comma and name, or nothing at all: it cannot stand first.
    members = sorted(node.items(), key=lambda member: isinstance(member[1], _Leaf) and member[1].fragment)
    text = ""
    for name, child in members:
        comma = "," if text else ""
        if isinstance(child, dict):
            text += f"{comma}{json_text(name)}:{_written(child, sites)}"
            continue
        sites.extend(child.sites)
        text += child.text if child.fragment else f"{comma}{json_text(name)}:{child.text}"
    return "{" + text + "}"


_QUOTED = frozenset((Form.TEXT, Form.ADDRESS, Form.TIME, Form.OUTCOME))


def _ecs(tree: dict[str, Any], fields: tuple[Field, ...], options: CodecOptions) -> None:
    _put(tree, "cloud.provider", _Leaf('"aws"'))
    _put(tree, "ecs.version", _Leaf(json_text(ECS_VERSION)))
    _put(tree, "event.kind", _Leaf('"event"'))
    _put(tree, "event.category", _Leaf('["network"]'))
    _put(tree, "event.type", _Leaf('["connection"]'))
    for field in fields:
        for target in field.places:
            if target.path == "@timestamp":
                continue
            text = _QUOTED_SITE if target.form in _QUOTED else _SITE
            _put(tree, target.path, _Leaf(text, Site(field.name, target.form), fragment=target.form is Form.TRANSPORT))
    names = {field.name for field in fields}
    if "srcaddr" in names:
        _put(tree, "network.type", _Leaf(_QUOTED_SITE, Site("network_type")))
    if {"srcaddr", "dstaddr"} <= names:
        _put(tree, "related.ip", _Leaf(f"[{_QUOTED_SITE},{_QUOTED_SITE}]", Site("srcaddr"), Site("dstaddr")))
    if options.internal_cidrs and {"srcaddr", "dstaddr"} <= names and "flow-direction" not in names:
        _put(tree, "network.direction", _Leaf(_QUOTED_SITE, Site("direction")))
    if names >= _COMMUNITY_FIELDS:
        _put(tree, "network.community_id", _Leaf(_QUOTED_SITE, Site("community_id")))
    if options.event_original:
        _put(tree, "event.original", _Leaf(_QUOTED_SITE, Site("message")))


def layout(fields: tuple[Field, ...], options: CodecOptions, extras: Iterable[str], *, offsets: bool = False) -> Layout:
    """Return the layout for lines with these fields, in documents that carry the record's own `extras` (dotted names).

    `offsets`: of lines whose place in their object is known.
    """
    tree: dict[str, Any] = {}
    _put(tree, "@timestamp", _Leaf(_QUOTED_SITE, Site("time")))
    for kind, value in (("type", "logs"), ("dataset", "aws.vpcflow"), ("namespace", options.namespace)):
        _put(tree, f"data_stream.{kind}", _Leaf(json_text(value)))
    _put(tree, "tags", _Leaf(json_text(list(options.tags))))
    for name in extras:
        _put(tree, name, _Leaf(f"{_MARK}{name}{_MARK}"))
    if offsets:
        _put(tree, "log.offset", _Leaf(_SITE, Site("offset")))
    if options.shape == "ecs":
        _ecs(tree, fields, options)
    else:
        _put(tree, "message", _Leaf(_QUOTED_SITE, Site("message")))
        _put(tree, "cloud.provider", _Leaf('"aws"'))
    if options.labels is not None and any(field.name in LABELLED for field in fields):
        _put(tree, "labels", _Leaf(_SITE, Site("labels"), fragment=True))
    if options.event_id:
        _put(tree, "event.id", _Leaf(f'"{_SITE}{_SITE}"', Site("id"), Site("hash")))
    sites = []
    members = []
    if options.index_mode == "pattern":
        sites.append(Site("index"))
        members.append(f'"_index":{_QUOTED_SITE}')
    if options.ids:
        sites += [Site("id"), Site("hash")]
        members.append(f'"_id":"{_SITE}{_SITE}"')
    action = '{"create":{' + ",".join(members) + "}}\n"
    document = _written(tree, sites)
    distinct = tuple(dict.fromkeys(sites))
    return Layout(action + document + "\n", distinct, tuple(distinct.index(site) for site in sites))


def pieces(shape: Layout, extras: Mapping[str, str | int]) -> list[str]:
    """Return the text before, between and after the sites, with the values of a record's own fields in it."""
    template = shape.template
    for name, value in extras.items():
        template = template.replace(f"{_MARK}{name}{_MARK}", json_text(value))
    return template.split(_SITE)
