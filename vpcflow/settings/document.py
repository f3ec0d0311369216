"""A settings file: TOML on this machine or in S3."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vpcflow.errors import ConfigError
from vpcflow.settings.stored import S3, read_stored

__all__ = ["Document", "read_document"]

_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class Document:
    """name: path or URL. text: as it was read; what tells whether it changed."""

    name: str
    text: str

    def tables(self) -> dict[str, Any]:
        """Return its tables. Raises ConfigError."""
        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{self.name}: not TOML: {error}") from error


def read_document(name: str | Path, environ: Mapping[str, str]) -> Document:
    """Read a settings file.

    Args:
        name: a path, or `s3://BUCKET/KEY`: one GetObject.
        environ: for the region and an endpoint override of S3 (`AWS_REGION`, `AWS_ENDPOINT_URL…`).

    Raises:
        ConfigError: not there, not for us, too large, no text.
    """
    text = str(name)
    if isinstance(name, Path) and text.startswith("s3:/"):  # a path that was made of a URL has one slash only
        text = f"{S3}{text.removeprefix('s3:/')}"
    data = read_stored(
        text,
        _MAX_BYTES,
        where=text,
        advice="give the path of a settings file",
        hint="VPCFLOW_SETTINGS",
        region=environ.get("AWS_REGION", ""),
    )
    if len(data) > _MAX_BYTES:
        raise ConfigError(f"{text}: over {_MAX_BYTES:,} bytes; no settings file is so large")
    try:
        return Document(text, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{text}: no UTF-8 text; a settings file is TOML") from error
