"""Settings from a TOML file and from the environment: defaults < file < `VPCFLOW_SECTION__KEY`.

Unknown keys and unknown `VPCFLOW_…` variables are errors that name the key by its path; no secret's value is ever shown.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vpcflow.errors import ConfigError
from vpcflow.logs import get_logger
from vpcflow.settings.document import Document, read_document
from vpcflow.settings.model import Settings
from vpcflow.settings.profiles import KINDS, Entry, Profiles
from vpcflow.settings.routes import Routes
from vpcflow.settings.values import PREFIX, Found, Kinds, checked, key_kinds, near, parsed, place, resolve_secrets

__all__ = ["PREFIX", "RESERVED", "Loaded", "key_kinds", "load", "named_document", "reserved_path", "say_unused"]

log = get_logger(__name__)

# Variables with our prefix that are no settings: they say where things lie on this machine.
RESERVED = frozenset(
    f"{PREFIX}{name}" for name in ("SETTINGS", "CACHE", "TEST_REQUIRE", "CONFORMANCE", "YARDSTICK", "JAVA", "DEBUG")
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and by `section.key` where each value came from: `default`, a file's path, a variable's name.

    A secret given by reference says so, too: `x.toml, by reference to a file`. routes: the same for each input and output;
    where none are declared there is one of each, named `default`, with `settings`. profiles: what they say themselves.
    """

    settings: Settings
    origins: Mapping[str, str]
    routes: Routes
    profiles: Sequence[Entry] = ()


def say_unused(loaded: Loaded) -> None:
    """Warn that this program uses the base settings alone, if there are inputs or outputs. Call it once logs are set up."""
    if loaded.routes.declared:
        log.warning("inputs and outputs are declared and not used by this program")


def reserved_path(environ: Mapping[str, str]) -> Path | None:
    """Return the settings file that `VPCFLOW_SETTINGS` names, or None."""
    named = environ.get(f"{PREFIX}SETTINGS")
    return Path(named) if named else None


def named_document(environ: Mapping[str, str]) -> Document | None:
    """Read the settings file that `VPCFLOW_SETTINGS` names, a path or `s3://BUCKET/KEY`. Raises ConfigError."""
    named = environ.get(f"{PREFIX}SETTINGS")
    return read_document(named, environ) if named else None


def load(path: Path | None, environ: Mapping[str, str], *, document: Document | None = None) -> Loaded:
    """Return the effective settings.

    Args:
        path: TOML file; None: the one that `VPCFLOW_SETTINGS` names, or no file.
        environ: the process's environment, or what a test wants it to be.
        document: the file, where it was read already.

    Raises:
        ConfigError: with the path of the wrong key, where it stands, and what to do.
    """
    if document is None:
        document = named_document(environ) if path is None else read_document(path, environ)
    kinds = key_kinds()
    found = Found({}, {f"{section}.{key}": "default" for section, keys in kinds.items() for key in keys})
    profiles = Profiles(kinds)
    if document is not None:
        _read_document(document, kinds, found, profiles)
    _read_environment(environ, kinds, found, profiles)
    resolve_secrets(kinds, found, environ)
    profiles.resolve(environ)
    return Loaded(checked(found), found.origins, profiles.routes(found), profiles.entries())


def _read_document(document: Document, kinds: Kinds, found: Found, profiles: Profiles) -> None:
    where = place(document.name)
    for section, table in document.tables().items():
        if section not in kinds and section not in KINDS:
            raise ConfigError(f"{section}: unknown section ({where}); {near(section, [*kinds, *KINDS])}")
        if not isinstance(table, dict):
            raise ConfigError(f"{section}: must be a table, [{section}] ({where})")
        if section in KINDS:
            profiles.read_tables(section, table, document.name)
            continue
        for key, value in table.items():
            if key not in kinds[section]:
                raise ConfigError(f"{section}.{key}: unknown key ({where}); {near(key, kinds[section])}")
            found.put(section, key, value, document.name)


def _read_environment(environ: Mapping[str, str], kinds: Kinds, found: Found, profiles: Profiles) -> None:
    known = {f"{PREFIX}{section}__{key}".upper(): (section, key) for section, keys in kinds.items() for key in keys}
    for name, text in sorted(environ.items()):
        if not name.startswith(PREFIX) or name in RESERVED or profiles.read_variable(name, text):
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
            value = parsed(text, kinds[section][key])
        except ValueError as error:
            raise ConfigError(f"{section}.{key}: {error} is wanted ({name})") from None
        found.put(section, key, value, name)
