"""`[inputs.NAME]` and `[outputs.NAME]`: tables that stand over the base settings, and the routes that they make.

What holds for a pair: base < the input's tables < the output's tables. In the environment `VPCFLOW_INPUTS__NAME__MATCH`,
`VPCFLOW_OUTPUTS__NAME__SECTION__KEY`; `-` in a name is `_` there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from vpcflow.codec import CodecOptions
from vpcflow.errors import ConfigError
from vpcflow.settings.model import Settings
from vpcflow.settings.routes import DEFAULT, Route, Routes
from vpcflow.settings.values import PREFIX, Found, Kinds, checked, merged, near, parsed, place, resolve_secrets

__all__ = ["KINDS", "Entry", "Profiles"]

# Which sections may stand over the base. What an input has is about reading; what an output has, about sending.
KINDS = {
    "inputs": ("codec", "document", "filter", "index", "labels", "limits", "objects"),
    "outputs": (
        "bulk", "codec", "deadletters", "document", "elasticsearch", "filter", "index", "labels", "limits", "retry",
    ),
}  # fmt: skip
_OWN = {"inputs": ("match", "outputs"), "outputs": ()}
_PARTS = 4  # KIND__NAME__SECTION__KEY


@dataclass(slots=True)
class _Profile:
    """One table. own: `match` and `outputs` of an input. found: what stands over the base, by section."""

    path: str
    found: Found
    own: dict[str, list[str]] = field(default_factory=dict)
    origin: str = ""
    own_origins: dict[str, str] = field(default_factory=dict)

    def values(self) -> Iterator[tuple[tuple[str, ...], str, object, str]]:
        """Yield the section, if it is in one, key, value, origin."""
        for key, texts in self.own.items():
            yield (), key, texts, self.own_origins[key]
        for section, table in self.found.values.items():
            for key, value in table.items():
                yield (section,), key, value, self.found.origins[f"{section}.{key}"]

    def put(self, key: str, texts: list[str], origin: str) -> None:
        """Note `match` or `outputs`, and where it stands."""
        self.own[key] = texts
        self.own_origins[key] = origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A value that an input or output says itself. table: such as (`outputs`, `archive`, `bulk`)."""

    table: tuple[str, ...]
    key: str
    value: object
    origin: str


class Profiles:
    """All inputs and outputs, in the order of the file."""

    def __init__(self, kinds: Kinds) -> None:
        """Begin with none. kinds: section → key → type."""
        self._kinds = kinds
        self._of: dict[str, dict[str, _Profile]] = {kind: {} for kind in KINDS}

    def read_tables(self, kind: str, tables: Mapping[str, object], origin: str) -> None:
        """Take `[inputs]` or `[outputs]` of a file. Raises ConfigError."""
        for name, table in tables.items():
            path = f"{kind}.{name}"
            if not isinstance(table, dict):
                raise ConfigError(f"{path}: must be a table, [{path}] ({place(origin)})")
            profile = self._profile(kind, name, origin)
            for key, value in table.items():
                if key in _OWN[kind]:
                    profile.put(key, _texts(f"{path}.{key}", value, origin), origin)
                else:
                    self._read_section(kind, profile, key, value, origin)

    def _read_section(self, kind: str, profile: _Profile, section: str, table: object, origin: str) -> None:
        path = f"{profile.path}.{section}"
        if section not in KINDS[kind]:
            raise ConfigError(f"{path}: not for {kind} ({place(origin)}); {near(section, [*_OWN[kind], *KINDS[kind]])}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: must be a table, [{path}] ({place(origin)})")
        for key, value in table.items():
            if key not in self._kinds[section]:
                problem = f"unknown key ({place(origin)}); {near(key, self._kinds[section])}"
                raise ConfigError(f"{path}.{key}: {problem}")
            profile.found.put(section, key, value, origin)

    def read_variable(self, name: str, text: str) -> bool:
        """Take a variable that is one of an input or output; return whether it is. Raises ConfigError."""
        parts = name.removeprefix(PREFIX).lower().split("__")
        kind = parts[0]
        if kind not in KINDS:
            return False
        if len(parts) == _PARTS - 1 and parts[2] in _OWN[kind]:
            profile = self._profile(kind, self._known(kind, parts[1]), name)
            profile.put(parts[2], _list(f"{profile.path}.{parts[2]}", text, name), name)
            return True
        if len(parts) != _PARTS or parts[2] not in KINDS[kind] or parts[3] not in self._kinds[parts[2]]:
            example = f"{PREFIX}{kind.upper()}__NAME__SECTION__KEY"
            sections = ", ".join(KINDS[kind])
            raise ConfigError(f"{name}: unknown setting in the environment; names are {example}, sections {sections}")
        _, profile_name, section, key = parts
        profile = self._profile(kind, self._known(kind, profile_name), name)
        try:
            value = parsed(text, self._kinds[section][key])
        except ValueError as error:
            raise ConfigError(f"{profile.path}.{section}.{key}: {error} is wanted ({name})") from None
        profile.found.put(section, key, value, name)
        return True

    def resolve(self, environ: Mapping[str, str]) -> None:
        """Read the secrets that are given by reference, each once. Raises ConfigError."""
        for profiles in self._of.values():
            for profile in profiles.values():
                resolve_secrets(self._kinds, profile.found, environ)

    def routes(self, base: Found) -> Routes:
        """Return the routes that these make over the base. Raises ConfigError."""
        inputs = self._of["inputs"]
        if not inputs:
            profile = _Profile("", Found({}, {}), own={"match": ["*"]})
            return Routes([self._route(DEFAULT, profile, base)])
        self._match_once()
        return Routes([self._route(name, profile, base) for name, profile in inputs.items()])

    def entries(self) -> list[Entry]:
        """Return what they say, in their order; their secrets as `resolve` has left them."""
        return [
            Entry(table=(kind, name, *within), key=key, value=value, origin=origin)
            for kind, profiles in self._of.items()
            for name, profile in profiles.items()
            for within, key, value, origin in profile.values()
        ]

    def _match_once(self) -> None:
        seen: dict[str, str] = {}
        for profile in self._of["inputs"].values():
            patterns = profile.own.get("match", [])
            if not patterns:
                raise ConfigError(
                    f"{profile.path}.match: no pattern ({place(profile.origin)}); give the ARN of a source"
                )
            for pattern in patterns:
                if seen.setdefault(pattern, profile.path) != profile.path:
                    raise ConfigError(
                        f"{profile.path}.match: {pattern} is one of {seen[pattern]} already; give it to one"
                    )

    def _route(self, name: str, profile: _Profile, base: Found) -> Route:
        outputs = self._of["outputs"]
        wanted = profile.own.get("outputs", list(outputs))
        for one in wanted:
            if one not in outputs:
                problem = f"there is no [outputs.{one}]; {near(one, outputs)}" if outputs else "there are no [outputs]"
                raise ConfigError(f"{profile.path}.outputs: {problem}")
        over = merged(base, profile.found, profile.path)
        settings = checked(over)
        match = tuple(profile.own["match"])
        if not outputs:
            tables = {DEFAULT: over.paths}
            return Route(input=name, match=match, settings=settings, outputs={DEFAULT: settings}, tables=tables)
        if not wanted:
            raise ConfigError(f"{profile.path}.outputs: empty; name at least one of {', '.join(outputs)}")
        found = {one: merged(over, outputs[one].found, outputs[one].path) for one in dict.fromkeys(wanted)}
        each = {one: checked(values) for one, values in found.items()}
        for first, second in combinations(each, 2):
            if _target(each[first]) == _target(each[second]):
                problem = f"goes to the same cluster and index as outputs.{first}; leave one out, or name another index"
                raise ConfigError(f"outputs.{second}: {problem}")
        tables = {one: values.paths for one, values in found.items()}
        return Route(input=name, match=match, settings=settings, outputs=each, tables=tables)

    def _known(self, kind: str, name: str) -> str:
        """Return how the file writes a name that a variable writes in capitals."""
        return next((one for one in self._of[kind] if one.lower().replace("-", "_") == name), name)

    def _profile(self, kind: str, name: str, origin: str) -> _Profile:
        path = f"{kind}.{name}"
        return self._of[kind].setdefault(name, _Profile(path, Found({}, {}, path), origin=origin))


def _target(settings: Settings) -> tuple[object, ...]:
    engine, index = settings.elasticsearch, settings.index
    hosts = tuple(sorted(host.rstrip("/").lower() for host in engine.hosts))
    named = CodecOptions(index_mode=index.mode, index_name=index.name, namespace=settings.document.namespace)
    return engine.cloud_id or hosts, named.target


def _texts(path: str, value: object, origin: str) -> list[str]:
    if isinstance(value, list) and all(isinstance(one, str) and one for one in value):
        return value
    raise ConfigError(f"{path}: a list of texts is wanted ({place(origin)})")


def _list(path: str, text: str, name: str) -> list[str]:
    try:
        return _texts(path, parsed(text, list[str]), name)
    except ValueError as error:
        raise ConfigError(f"{path}: {error} is wanted ({name})") from None
