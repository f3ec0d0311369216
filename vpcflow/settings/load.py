"""Settings from a TOML file and from the environment: defaults < file < `VPCFLOW_SECTION__KEY`.

Unknown keys and unknown `VPCFLOW_…` variables are errors that name the key by its path; no value is ever shown.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import msgspec

from vpcflow.errors import ConfigError
from vpcflow.settings.model import Settings
from vpcflow.settings.secrets import Secret

__all__ = ["PREFIX", "RESERVED", "Loaded", "key_kinds", "load"]

PREFIX = "VPCFLOW_"
# Variables with our prefix that are no settings: they say where things lie on this machine.
RESERVED = frozenset(
    f"{PREFIX}{name}" for name in ("SETTINGS", "CACHE", "TEST_REQUIRE", "CONFORMANCE", "YARDSTICK", "JAVA", "DEBUG")
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and by `section.key` where each value came from: `default`, a file's name, a variable's name."""

    settings: Settings
    origins: Mapping[str, str]


def key_kinds() -> dict[str, dict[str, Any]]:
    """Return section → key → type, from the structs."""
    kinds: dict[str, dict[str, Any]] = {}
    for section in msgspec.structs.fields(Settings):
        struct = type(getattr(Settings(), section.name))
        kinds[section.name] = get_type_hints(struct)
    return kinds


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Return the effective settings.

    Args:
        path: TOML file; None: no file.
        environ: the process's environment, or what a test wants it to be.

    Raises:
        ConfigError: with the path of the wrong key, where it stands, and what to do.
    """
    kinds = key_kinds()
    values: dict[str, dict[str, Any]] = {}
    origins = {f"{section}.{key}": "default" for section, keys in kinds.items() for key in keys}
    if path is not None:
        _from_file(path, kinds, values, origins)
    _from_environment(environ, kinds, values, origins)
    _resolve_secrets(values, kinds, origins, environ)
    settings = _converted(values, origins)
    _check(settings)
    return Loaded(settings, origins)


def _near(name: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _from_file(
    path: Path, kinds: Mapping[str, Mapping[str, Any]], values: dict[str, dict[str, Any]], origins: dict[str, str]
) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; give the path of a settings file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no UTF-8 text; a settings file is TOML") from error
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    for section, table in tables.items():
        if section not in kinds:
            raise ConfigError(f"{section}: unknown section ({path}){_near(section, kinds)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{section}: must be a table, [{section}] ({path})")
        for key, value in table.items():
            if key not in kinds[section]:
                raise ConfigError(f"{section}.{key}: unknown key ({path}){_near(key, kinds[section])}")
            values.setdefault(section, {})[key] = value
            origins[f"{section}.{key}"] = str(path)


def _from_environment(
    environ: Mapping[str, str],
    kinds: Mapping[str, Mapping[str, Any]],
    values: dict[str, dict[str, Any]],
    origins: dict[str, str],
) -> None:
    known = {f"{PREFIX}{section}__{key}".upper(): (section, key) for section, keys in kinds.items() for key in keys}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        if name not in known:
            raise ConfigError(f"{name}: unknown setting in the environment{_near(name, known)[:200]}")
        section, key = known[name]
        try:
            values.setdefault(section, {})[key] = _parsed(text, kinds[section][key])
        except ValueError as error:
            raise ConfigError(f"{section}.{key}: not what is wanted there ({name}): {error}") from error
        origins[f"{section}.{key}"] = name


def _parsed(text: str, kind: object) -> object:
    """Return the text of a variable as the type of its key wants it. Raises ValueError with what was expected."""
    if get_origin(kind) is list:
        if text.lstrip().startswith("["):
            return json.loads(text)
        return [part.strip() for part in text.split(",") if part.strip()]
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ValueError("true or false")
        return text.lower() in ("true", "1", "yes")
    if kind in (int, float):
        try:
            return int(text) if kind is int else float(text)
        except ValueError:
            raise ValueError("a number" if kind is float else "a whole number") from None
    return text


def _resolve_secrets(
    values: dict[str, dict[str, Any]],
    kinds: Mapping[str, Mapping[str, Any]],
    origins: dict[str, str],
    environ: Mapping[str, str],
) -> None:
    for section, table in values.items():
        for key, value in table.items():
            if kinds[section][key] is not Secret or not isinstance(value, str):
                continue
            name = f"{section}.{key}"
            if value.startswith("file:"):
                try:
                    value = Path(value[5:]).read_text(encoding="utf-8").strip()  # noqa: PLW2901
                except (OSError, UnicodeDecodeError) as error:
                    raise ConfigError(
                        f"{name}: the file it names cannot be read ({error.__class__.__name__})"
                    ) from error
                origins[name] += " (file:)"
            elif value.startswith("env:"):
                if value[4:] not in environ:
                    raise ConfigError(f"{name}: the variable it names is not set")
                value = environ[value[4:]]  # noqa: PLW2901
                origins[name] += " (env:)"
            table[key] = Secret(value)


def _converted(values: Mapping[str, Mapping[str, Any]], origins: Mapping[str, str]) -> Settings:
    def secret(kind: type, value: object) -> object:
        if kind is Secret and isinstance(value, Secret):
            return value
        raise TypeError("a text")

    try:
        return msgspec.convert(values, Settings, dec_hook=secret, strict=True)
    except msgspec.ValidationError as error:
        said, _, where = str(error).partition(" - at `$.")
        path = where.rstrip("`")
        origin = origins.get(".".join(path.split(".")[:2]).partition("[")[0], "settings")
        raise ConfigError(f"{path}: {said[:1].lower()}{said[1:]} ({origin})") from error


def _check(settings: Settings) -> None:
    """Check what no single key shows."""
    if settings.index.pipeline == "default" and settings.document.shape != "raw":
        raise ConfigError(
            'index.pipeline: "default" is for document.shape = "raw": else the cluster parses what is parsed'
        )
    if settings.index.mode == "pattern" and settings.index.name and "{" not in settings.index.name:
        raise ConfigError(
            'index.name: a pattern needs a time in it, such as {yyyy.MM.dd}; or set index.mode = "data_stream"'
        )
    if settings.index.mode == "data_stream" and "{" in settings.index.name:
        raise ConfigError('index.name: a data stream has no time in its name; or set index.mode = "pattern"')
    if not settings.elasticsearch.hosts:
        raise ConfigError("elasticsearch.hosts: at least one URL")


def reserved_path(environ: Mapping[str, str]) -> Path | None:
    """Return the settings file that `VPCFLOW_SETTINGS` names, or None."""
    named = environ.get(f"{PREFIX}SETTINGS")
    return Path(named) if named else None
