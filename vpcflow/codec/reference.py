"""The field table as a table for people: a part of `docs/mapping.md` is made of it."""

from __future__ import annotations

from vpcflow.codec.fields import FIELDS, PRESETS, Form

__all__ = ["field_table", "preset_table"]

_FORM_NAMES = {
    Form.TRANSPORT: "name of the protocol, for eleven of them",
    Form.FLAGS: "array of names",
    Form.OUTCOME: "`success` or `failure`",
    Form.TYPE: "`connection` with `allowed` or `denied`",
}


def field_table() -> str:
    """Return a Markdown table of every field: name, version, what is accepted, where it goes."""
    rows = ["| Field | Version | Accepted | Goes to |", "|---|---|---|---|"]
    for field in FIELDS:
        places = [f"`{place.path}` ({_FORM_NAMES.get(place.form, place.form.value)})" for place in field.places]
        rows.append(f"| `{field.name}` | {field.version} | {field.kind.value} | {', '.join(places)} |")
    return "\n".join(rows) + "\n"


def preset_table() -> str:
    """Return a Markdown table of the line formats that are known without being told."""
    rows = ["| Name | Columns | Order |", "|---|---|---|"]
    rows += [f"| `{name}` | {len(names)} | {' '.join(names)} |" for name, names in PRESETS.items()]
    return "\n".join(rows) + "\n"
