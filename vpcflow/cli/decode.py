"""`vpcflow decode`: any supported payload in, documents out."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import typer

from vpcflow.codec import CodecOptions, Decoder, FormatError, FormatRule, parse_format
from vpcflow.codec.origins import file_origin
from vpcflow.errors import EX_DATAERR, ConfigError, DataError
from vpcflow.types import Decoded, Undecodable

__all__ = ["decode"]

_EX_NOINPUT = 66
_SHOWN = 5


@dataclass(slots=True)
class _Totals:
    lines: int = 0
    documents: int = 0
    control: int = 0
    headers: int = 0
    skipped: int = 0
    undecodable: int = 0
    first: list[str] = field(default_factory=list)
    notices: dict[str, None] = field(default_factory=dict)

    def add(self, name: str, chunk: Decoded) -> None:
        self.lines += chunk.lines
        self.documents += chunk.count
        self.control += chunk.control
        self.headers += chunk.headers
        self.skipped += chunk.skipped
        self.undecodable += len(chunk.undecodable)
        for bad in chunk.undecodable[: _SHOWN - len(self.first)]:
            self.first.append(_reason(name, bad))
        self.notices.update(dict.fromkeys(chunk.notices))

    def report(self) -> str:
        words = [
            f"{self.lines} lines",
            f"{self.documents} documents",
            f"{self.control} control messages",
            f"{self.undecodable} undecodable",
        ]
        words += [f"{self.headers} headers"] * bool(self.headers) + [f"{self.skipped} skipped"] * bool(self.skipped)
        rest = self.undecodable - len(self.first)
        more = [f"  … and {rest} more"] if rest > 0 else []
        return "\n".join([", ".join(words), *(f"  {one}" for one in self.first), *more])


def _reason(name: str, bad: Undecodable) -> str:
    place = name if bad.position < 0 else f"{name}:{bad.position + 1}"
    return f"{place}: {bad.reason}: {bad.message}"


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise DataError(
            f"{name}: {error.strerror}; give the path of a file, or - for standard input", exit_code=_EX_NOINPUT
        ) from error


def _options(
    settings: Path | None, line_format: str | None, document: Literal["ecs", "raw"] | None, *, event_original: bool
) -> CodecOptions:
    from vpcflow.settings.decoding import codec_options
    from vpcflow.settings.load import load, reserved_path

    options = codec_options(load(settings or reserved_path(os.environ), os.environ).settings)
    if line_format is not None:
        try:
            parse_format(line_format)
        except FormatError as error:
            raise ConfigError(f"--format: {error}") from error
        options = replace(options, formats=(FormatRule(format=line_format),))
    if document is not None:
        options = replace(options, shape=document)
    if event_original:
        options = replace(options, event_original=True)
    return replace(options, time_past_days=0.0, time_future_days=0.0)


def _write(out: BinaryIO, chunk: Decoded, output: str) -> None:
    if not chunk.count:
        return
    out.write(chunk.body if output == "bulk" else b"\n".join(chunk.body.split(b"\n")[1::2]) + b"\n")


def _progress(names: list[str]) -> Iterator[tuple[str, int]]:
    """Yield names with their numbers; a line on a terminal says which one is read."""
    shown = sys.stderr.isatty() and len(names) > 1
    for number, name in enumerate(names, start=1):
        if shown:
            sys.stderr.write(f"\r{number}/{len(names)} {name[-60:]}\x1b[K")
        yield name, number
    if shown:
        sys.stderr.write("\r\x1b[K")


def decode(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE…|-]", help="Files; - or none: standard input.")
    ] = None,
    line_format: Annotated[
        str | None,
        typer.Option(
            "--format", help="Line format: `${version} …` as AWS prints it, names, or a preset such as v2, v5, tgw."
        ),
    ] = None,
    document: Annotated[
        Literal["ecs", "raw"] | None, typer.Option(help="Shape of the documents. [default: settings]")
    ] = None,
    output: Annotated[
        Literal["docs", "bulk"], typer.Option(help="`docs`: a document a line. `bulk`: action and document lines.")
    ] = "docs",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 65 if anything was undecodable.")] = False,  # noqa: FBT002
    event_original: Annotated[bool, typer.Option("--event-original", help="Keep each line in its document.")] = False,  # noqa: FBT002
    settings: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Decode payloads to NDJSON on stdout; counts and the first reasons on stderr.

    Takes CloudWatch Logs payloads, flow-log text with or without a header, and message wrappers, plain or gzip.

    Examples:
    - `vpcflow decode payload.gz`

    - `aws s3 cp s3://bucket/AWSLogs/… - | vpcflow decode - | jq .source.ip`

    - `vpcflow decode --format '${version} ${srcaddr} ${dstaddr} ${end} ${action}' custom.log`

    - `vpcflow decode --output bulk flows.log | curl -sH content-type:application/x-ndjson --data-binary @- HOST/INDEX/_bulk`
    """
    decoder = Decoder(_options(settings, line_format, document, event_original=event_original))
    totals = _Totals()
    out = sys.stdout.buffer
    for name, _ in _progress(files or ["-"]):
        shown = "stdin" if name == "-" else name
        for chunk in decoder.decode(_read(name), file_origin(name)):
            totals.add(shown, chunk)
            _write(out, chunk, output)
    out.flush()
    for notice in totals.notices:
        typer.echo(f"note: {notice}", err=True)
    typer.echo(totals.report(), err=True)
    if strict and totals.undecodable:
        raise typer.Exit(EX_DATAERR)
