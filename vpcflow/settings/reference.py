"""`docs/configuration.md`, made of the model."""

from __future__ import annotations

import inspect
import json
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from vpcflow.settings.load import PREFIX
from vpcflow.settings.model import Format, Settings
from vpcflow.settings.secrets import Secret

__all__ = ["configuration_page"]

_HEAD = """\
# Configuration

<!-- made of vpcflow/settings/model.py by docs/build.py: do not edit -->

Settings come from a TOML file (`--settings FILE`, or the variable `VPCFLOW_SETTINGS`), then from the environment, which
wins: `elasticsearch.hosts` is `VPCFLOW_ELASTICSEARCH__HOSTS`. Lists in variables have commas between, or are JSON. An unknown
key or an unknown `VPCFLOW_…` variable is an error that names it (exit code 78). `vpcflow settings` shows the values in force
and where each one came from.

A secret can be given by reference: `env:NAME` (another variable), `file:PATH` (a file's text without the white space around
it), `aws-secretsmanager:NAME` (a name or ARN; `NAME#key`: one key of a JSON secret) or `ssm:/path/name` (Parameter Store; both
want boto3). Secrets are never printed. One that comes from a file or from AWS is read again when the engine answers 401, so it
can be rotated while we run.

These variables are no settings: `VPCFLOW_SETTINGS` (see above), `VPCFLOW_CACHE` (where the demo and the tests keep what they
fetched), `VPCFLOW_DEBUG` (`1`: show the traceback of a fault). The tests read some more, see
[CONTRIBUTING](../CONTRIBUTING.md).

```toml
[kinesis]
stream = "flow-logs"
region = "eu-central-1"

[elasticsearch]
hosts = ["https://search.example.com:9200"]
api_key = "file:/run/secrets/api-key"

[[codec.formats]]
log_group = "custom-*"
format = "${version} ${vpc-id} ${srcaddr} ${dstaddr} ${bytes} ${start} ${end} ${action}"
```
"""


def _name(kind: Any) -> str:  # noqa: ANN401 - a type expression
    if get_origin(kind) is Annotated:
        return _name(get_args(kind)[0])
    if get_origin(kind) is Literal:
        return " \\| ".join(f"`{json.dumps(value)}`" for value in get_args(kind))
    if get_origin(kind) is list:
        return f"list of {_name(get_args(kind)[0])}"
    if kind is Format:
        return "[table](#codecformats)"
    args = get_args(kind)
    if args:
        return " or ".join(_name(one) for one in args)
    return {str: "text", int: "integer", float: "number", bool: "true or false", Secret: "secret"}[kind]


def _meta(kind: Any) -> Meta:  # noqa: ANN401 - a type expression
    for one in get_args(kind):
        if isinstance(one, Meta):
            return one
    return Meta()


def _bounds(meta: Meta) -> str:
    words = [
        f"{word} {value}"
        for word, value in (("over", meta.gt), ("at least", meta.ge), ("at most", meta.le))
        if value is not None
    ]
    return f" ({', '.join(words)})" if words else ""


def _default(value: object) -> str:
    if value is msgspec.NODEFAULT:
        return "required"
    return "" if isinstance(value, Secret) else f"`{json.dumps(value)}`"


def _table(struct: type[msgspec.Struct], section: str | None) -> list[str]:
    kinds = get_type_hints(struct, include_extras=True)
    rows = ["| Key | Type | Default | Meaning |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(struct):
        kind = kinds[field.name]
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        meta = _meta(kind)
        variable = f"<br>`{PREFIX}{section.upper()}__{field.name.upper()}`" if section else ""
        rows.append(
            f"| `{field.name}`{variable} | {_name(kind)}{_bounds(meta)} | {_default(default)} | {meta.description or ''} |"
        )
    return rows


def configuration_page() -> str:
    """Return the whole page, Markdown."""
    lines = [_HEAD]
    for section in msgspec.structs.fields(Settings):
        struct = type(getattr(Settings(), section.name))
        lines += [
            f"## {section.name}",
            "",
            inspect.cleandoc(struct.__doc__ or ""),
            "",
            *_table(struct, section.name),
            "",
        ]
        if section.name == "codec":
            lines += ["### codec.formats", "", inspect.cleandoc(Format.__doc__ or ""), "", *_table(Format, None), ""]
    return "\n".join(lines).rstrip() + "\n"
