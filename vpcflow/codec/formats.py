"""Line formats: the order of a line's columns, from settings, from a header line, or guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase

from vpcflow.codec.columns import complaint
from vpcflow.codec.fields import FIELDS, PRESETS, Field, field_named
from vpcflow.codec.options import CodecOptions

__all__ = [
    "FormatError",
    "LineFormat",
    "candidates",
    "choose",
    "header_format",
    "is_header",
    "parse_format",
    "rule_for",
]

_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_NAME = "[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*"
_HEADER = re.compile(rf"{_NAME}(?: +{_NAME}){{2,}}")
_KNOWN_IN_HEADER = 3
# Where the table's fields go, and the objects on the way there: no unknown name may land on one.
_TAKEN = {
    path.rsplit(".", up)[0]
    for field in FIELDS
    for path in (place.path for place in field.places)
    for up in range(path.count(".") + 1)
}


class FormatError(ValueError):
    """A format that nobody can read a line with; `str()` says why."""


@dataclass(frozen=True, slots=True)
class LineFormat:
    """The fields of a line in their order. unknown: names that are in no table (from a header line)."""

    fields: tuple[Field, ...]
    unknown: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        """Return the names with a space between."""
        return " ".join(field.name for field in self.fields)


def _names(text: str | tuple[str, ...] | list[str]) -> list[str]:
    if not isinstance(text, str):
        return list(text)
    if text.strip() in PRESETS:
        return list(PRESETS[text.strip()])
    if "$" in text:
        rest = _PLACEHOLDER.sub("", text).strip()
        if rest:
            raise FormatError(f"{rest!r} stands outside of ${{…}} in the format")
        return [name.strip() for name in _PLACEHOLDER.findall(text)]
    return re.split(r"[\s,]+", text.strip()) if text.strip() else []


def _once(names: list[str]) -> None:
    if not names:
        raise FormatError("the format is empty")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise FormatError(f"the format names {', '.join(twice)} more than once")


def parse_format(text: str | tuple[str, ...] | list[str]) -> LineFormat:
    """Return the format written as `${version} …`, as names with spaces or commas, as a list, or as a preset's name.

    Raises FormatError for unknown names, names that come twice, and an empty format.
    """
    names = _names(text)
    fields = [field_named(name) for name in names]
    missing = [name for name, field in zip(names, fields, strict=True) if field is None]
    if missing:
        hint = f"; presets are {', '.join(PRESETS)}" if len(names) == 1 else ""
        raise FormatError(f"unknown field {', '.join(map(repr, missing))} in the format{hint}")
    known = [field for field in fields if field is not None]
    _once([field.name for field in known])
    return LineFormat(tuple(known))


def is_header(line: str) -> bool:
    """Return whether a line names columns: all tokens shaped like names, three or more of them known."""
    if _HEADER.fullmatch(line) is None:
        return False
    return sum(field_named(name) is not None for name in line.split()) >= _KNOWN_IN_HEADER


def header_format(line: str) -> LineFormat:
    """Return the format of a header line; unknown names become text fields. Raises FormatError for names that come twice."""
    fields, unknown = [], []
    for name in line.split():
        field = field_named(name)
        if field is None:
            field = Field(name, 0)
            if field.places[0].path in _TAKEN:
                raise FormatError(f"unknown field {name!r} in the header would overwrite {field.places[0].path}")
            field = Field(name.replace("_", "-"), 0)  # both ways of writing go to one place
            unknown.append(name)
        fields.append(field)
    _once([field.name for field in fields])
    return LineFormat(tuple(fields), tuple(unknown))


def rule_for(options: CodecOptions, *, log_group: str, log_stream: str, source: str) -> LineFormat | None:
    """Return the format that the options give for a source; the first rule that matches wins."""
    for rule in options.formats:
        if (
            fnmatchcase(log_group, rule.log_group)
            and fnmatchcase(log_stream, rule.log_stream)
            and fnmatchcase(source, rule.source)
        ):
            return parse_format(rule.format)
    return None


_PRESET_FORMATS = {name: parse_format(names) for name, names in PRESETS.items()}


def candidates(columns: int) -> dict[str, LineFormat]:
    """Return the known formats with so many columns, by preset name."""
    return {name: form for name, form in _PRESET_FORMATS.items() if len(form.fields) == columns}


def choose(tokens: list[str]) -> tuple[str, LineFormat] | str:
    """Return the one known format (name, format) that a line can have, or the reason why there is none.

    Formats that differ only in columns which are `-` here give the same document: they count as one.
    """
    fitting: dict[tuple[str, ...], tuple[str, LineFormat]] = {}
    told = ""
    known = candidates(len(tokens))
    for name, form in known.items():
        wrong = complaint(form.fields, tokens, guessed=True)
        if wrong is None:
            key = tuple(f"{place}:{f.name}" for place, f in enumerate(form.fields) if tokens[place] != "-")
            fitting.setdefault(key, (name, form))
        elif not told:
            told = f"as {name}, {wrong}"
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    hint = "set this source's format in codec.formats (or --format)"
    if fitting:
        return f"{len(tokens)} columns fit several formats ({', '.join(name for name, _ in fitting.values())}): {hint}"
    if told:
        return f"{told}; if the line is right, {hint}"
    return f"{len(tokens)} columns fit no known format: {hint}"
