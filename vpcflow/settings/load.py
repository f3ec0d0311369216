"""Settings from a TOML file and from the environment: defaults < file < `VPCFLOW_SECTION__KEY`.

Unknown keys and unknown `VPCFLOW_…` variables are errors that name the key by its path; no secret's value is ever shown.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

import msgspec

from vpcflow.errors import ConfigError
from vpcflow.settings import aws_secrets
from vpcflow.settings.combinations import complaints
from vpcflow.settings.model import Format, Settings
from vpcflow.settings.secrets import Place, Secret, SecretError

__all__ = ["PREFIX", "RESERVED", "Loaded", "key_kinds", "load", "reserved_path"]

PREFIX = "VPCFLOW_"
# Variables with our prefix that are no settings: they say where things lie on this machine.
RESERVED = frozenset(
    f"{PREFIX}{name}" for name in ("SETTINGS", "CACHE", "TEST_REQUIRE", "CONFORMANCE", "YARDSTICK", "JAVA", "DEBUG")
)

Kinds = Mapping[str, Mapping[str, Any]]
_PLACES = {"file": "a file", "env": "a variable", **aws_secrets.KINDS}
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and by `section.key` where each value came from: `default`, a file's path, a variable's name.

    A secret given by reference says so, too: `x.toml, by reference to a file`.
    """

    settings: Settings
    origins: Mapping[str, str]


@dataclass(slots=True)
class _Found:
    """What was found so far: section → key → value, and where each value came from."""

    values: dict[str, dict[str, Any]]
    origins: dict[str, str]

    def put(self, section: str, key: str, value: object, origin: str) -> None:
        self.values.setdefault(section, {})[key] = value
        self.origins[f"{section}.{key}"] = origin

    def wrong(self, path: str, problem: str, cause: Exception | None = None) -> NoReturn:
        """Raise the error of a key: its path, what is wrong, where it stands."""
        key = ".".join(path.split(".")[:2]).partition("[")[0]
        origin = self.origins.get(key, "default")
        where = "" if origin == "default" else f" ({_place(origin)})"
        raise ConfigError(f"{path}: {problem}{where}") from cause


def _place(origin: str) -> str:
    return origin if origin.startswith(PREFIX) else f"file {origin}"


def key_kinds() -> dict[str, dict[str, Any]]:
    """Return section → key → type, from the structs."""
    kinds: dict[str, dict[str, Any]] = {}
    for section in msgspec.structs.fields(Settings):
        struct = type(getattr(Settings(), section.name))
        kinds[section.name] = get_type_hints(struct)
    return kinds


def reserved_path(environ: Mapping[str, str]) -> Path | None:
    """Return the settings file that `VPCFLOW_SETTINGS` names, or None."""
    named = environ.get(f"{PREFIX}SETTINGS")
    return Path(named) if named else None


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Return the effective settings.

    Args:
        path: TOML file; None: the one that `VPCFLOW_SETTINGS` names, or no file.
        environ: the process's environment, or what a test wants it to be.

    Raises:
        ConfigError: with the path of the wrong key, where it stands, and what to do.
    """
    kinds = key_kinds()
    found = _Found({}, {f"{section}.{key}": "default" for section, keys in kinds.items() for key in keys})
    file = path if path is not None else reserved_path(environ)
    if file is not None:
        _read_file(file, kinds, found)
    _read_environment(environ, kinds, found)
    _resolve_secrets(kinds, found, environ)
    settings = _converted(found)
    for where, problem in complaints(settings, found.origins):
        found.wrong(where, problem)
    return Loaded(settings, found.origins)


def _near(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give the path of a settings file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no UTF-8 text; a settings file is TOML") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error


def _read_file(path: Path, kinds: Kinds, found: _Found) -> None:
    where = _place(str(path))
    for section, table in _tables(path).items():
        if section not in kinds:
            raise ConfigError(f"{section}: unknown section ({where}); {_near(section, kinds)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{section}: must be a table, [{section}] ({where})")
        for key, value in table.items():
            if key not in kinds[section]:
                raise ConfigError(f"{section}.{key}: unknown key ({where}); {_near(key, kinds[section])}")
            found.put(section, key, value, str(path))


def _read_environment(environ: Mapping[str, str], kinds: Kinds, found: _Found) -> None:
    known = {f"{PREFIX}{section}__{key}".upper(): (section, key) for section, keys in kinds.items() for key in keys}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        if name not in known:
            close = difflib.get_close_matches(name.removeprefix(PREFIX), [one.removeprefix(PREFIX) for one in known], 1)
            hint = (
                f"did you mean {PREFIX}{close[0]}?"
                if close
                else f"names are {PREFIX}SECTION__KEY, see `vpcflow settings`"
            )
            raise ConfigError(f"{name}: unknown setting in the environment; {hint}")
        section, key = known[name]
        try:
            value = _parsed(text, kinds[section][key])
        except ValueError as error:
            raise ConfigError(f"{section}.{key}: {error} is wanted ({name})") from None
        found.put(section, key, value, name)


def _parsed(text: str, kind: object) -> object:
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


def _resolve_secrets(kinds: Kinds, found: _Found, environ: Mapping[str, str]) -> None:
    for section, table in found.values.items():
        for key, value in table.items():
            if kinds[section][key] is Secret and isinstance(value, str):
                table[key] = _secret(f"{section}.{key}", value, found, environ)


def _secret(path: str, value: str, found: _Found, environ: Mapping[str, str]) -> Secret:
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


def _converted(found: _Found) -> Settings:
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
            found.wrong(f"{path}.{unknown[1]}", f"unknown key; {_near(unknown[1], Format.__struct_fields__)}", error)
        if said.startswith("Invalid enum value"):
            section, _, key = path.partition(".")
            said += f", not one of {', '.join(get_args(key_kinds()[section][key]))}"
        found.wrong(path, f"{said[:1].lower()}{said[1:]}", error)
