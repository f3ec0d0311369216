"""Values of settings while they are gathered: where each came from, its type, its secret; and the structs made of them."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

import msgspec

from vpcflow.errors import ConfigError
from vpcflow.settings import aws_secrets
from vpcflow.settings.combinations import complaints
from vpcflow.settings.model import Format, Settings
from vpcflow.settings.secrets import Place, Secret, SecretError

__all__ = ["PREFIX", "Found", "Kinds", "checked", "key_kinds", "merged", "near", "parsed", "place"]
__all__ += ["resolve_secrets", "settings_of"]

PREFIX = "VPCFLOW_"

Kinds = Mapping[str, Mapping[str, Any]]
_PLACES = {"file": "a file", "env": "a variable", **aws_secrets.KINDS}
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


@dataclass(slots=True)
class Found:
    """What was found so far: section → key → value, and by `section.key` where each value came from.

    within: the table that these stand in, such as `outputs.archive`; paths: the same for single keys, by `section.key`.
    """

    values: dict[str, dict[str, Any]]
    origins: dict[str, str]
    within: str = ""
    paths: dict[str, str] = field(default_factory=dict)

    def put(self, section: str, key: str, value: object, origin: str) -> None:
        """Note a value, and where it stands."""
        self.values.setdefault(section, {})[key] = value
        self.origins[f"{section}.{key}"] = origin

    def wrong(self, path: str, problem: str, cause: Exception | None = None) -> NoReturn:
        """Raise the error of a key: its path, what is wrong, where it stands."""
        key = ".".join(path.split(".")[:2]).partition("[")[0]
        origin = self.origins.get(key, "default")
        where = "" if origin == "default" else f" ({place(origin)})"
        within = self.paths.get(key, self.within)
        raise ConfigError(f"{within}.{path}: {problem}{where}" if within else f"{path}: {problem}{where}") from cause


def merged(base: Found, over: Found, path: str) -> Found:
    """Return what holds where the tables at `path` stand over the base."""
    values = {section: dict(table) for section, table in base.values.items()}
    for section, table in over.values.items():
        values.setdefault(section, {}).update(table)
    return Found(values, base.origins | over.origins, paths=base.paths | dict.fromkeys(over.origins, path))


def checked(found: Found) -> Settings:
    """Return the settings. Raises ConfigError for values of wrong types, and for such that do not go together."""
    settings = settings_of(found)
    for where, problem in complaints(settings, found.origins):
        found.wrong(where, problem)
    return settings


def place(origin: str) -> str:
    """Return where a value stands, in words."""
    return origin if origin.startswith(PREFIX) else f"file {origin}"


def key_kinds() -> dict[str, dict[str, Any]]:
    """Return section → key → type, from the structs."""
    kinds: dict[str, dict[str, Any]] = {}
    for section in msgspec.structs.fields(Settings):
        struct = type(getattr(Settings(), section.name))
        kinds[section.name] = get_type_hints(struct)
    return kinds


def near(name: str, known: Iterable[str]) -> str:
    """Return what was probably meant, in words."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def parsed(text: str, kind: object) -> object:
    """Return the text of a variable as the type of its key wants it. Raises ValueError with what was expected."""
    if get_origin(kind) is list:
        return _parsed_list(text)
    if kind is bool:
        return _parsed_bool(text)
    if kind in (int, float):
        try:
            return int(text) if kind is int else float(text)
        except ValueError:
            raise ValueError("a number" if kind is float else "a whole number") from None
    return text


def _parsed_list(text: str) -> object:
    if not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError:
        raise ValueError("a list with commas between, or a JSON list,") from None


def _parsed_bool(text: str) -> bool:
    word = text.strip().lower()
    if word not in ("true", "false", "1", "0", "yes", "no"):
        raise ValueError("true or false")
    return word in ("true", "1", "yes")


def resolve_secrets(kinds: Kinds, found: Found, environ: Mapping[str, str]) -> None:
    """Read the secrets that are given by reference. Raises ConfigError."""
    for section, table in found.values.items():
        for key, value in table.items():
            if kinds[section][key] is Secret and isinstance(value, str):
                table[key] = _secret(f"{section}.{key}", value, found, environ)


def _secret(path: str, value: str, found: Found, environ: Mapping[str, str]) -> Secret:
    kind, _, name = value.partition(":")
    if kind not in _PLACES:
        return Secret(value)
    try:
        secret = _referred(kind, name, environ)
    except SecretError as error:
        found.wrong(path, str(error), error)
    if not secret:
        found.wrong(path, f"what it names is empty: {name}")
    found.origins[path] += f", by reference to {_PLACES[kind]}"
    return secret


def _referred(kind: str, name: str, environ: Mapping[str, str]) -> Secret:
    if kind == "file":
        return Secret.of_file(Path(name))
    if kind == "env":
        if name not in environ:
            raise SecretError(f"the variable that it names is not set: {name}")
        return Secret(environ[name].strip())
    return Secret.kept(Place(lambda: aws_secrets.read(kind, name, environ), pause_seconds=aws_secrets.PAUSE_SECONDS))


def settings_of(found: Found) -> Settings:
    """Return the values as settings. Raises ConfigError for values of wrong types."""

    def secret(kind: type, value: object) -> object:
        if kind is Secret and isinstance(value, Secret):
            return value
        raise TypeError("text is wanted")

    try:
        return msgspec.convert(found.values, Settings, dec_hook=secret, strict=True)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$.")
        path = where.rstrip("`")
        unknown = _UNKNOWN.search(said)
        if unknown is not None:  # only entries of lists are left: sections and their keys were looked at before
            found.wrong(f"{path}.{unknown[1]}", f"unknown key; {near(unknown[1], Format.__struct_fields__)}", error)
        if said.startswith("Invalid enum value"):
            section, _, key = path.partition(".")
            said += f", not one of {', '.join(get_args(key_kinds()[section][key]))}"
        found.wrong(path, f"{said[:1].lower()}{said[1:]}", error)
