"""`vpcflow decode`: any supported payload in, documents out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from vpcflow.cli.status import StatusLine
from vpcflow.clock import SystemClock
from vpcflow.errors import EX_DATAERR, EX_USAGE, DataError, VpcFlowError
from vpcflow.types import Decoded, Undecodable

if TYPE_CHECKING:
    from vpcflow.codec import CodecOptions

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
    filtered: int = 0
    undecodable: int = 0
    first: list[str] = field(default_factory=list)
    notices: dict[str, None] = field(default_factory=dict)

    def add(self, name: str, chunk: Decoded) -> None:
        self.lines += chunk.lines
        self.documents += chunk.count
        self.control += chunk.control
        self.headers += chunk.headers
        self.skipped += chunk.skipped
        self.filtered += chunk.filtered
        self.undecodable += len(chunk.undecodable)
        for bad in chunk.undecodable[: _SHOWN - len(self.first)]:
            self.first.append(_reason(name, bad))
        self.notices.update(dict.fromkeys(chunk.notices))

    def report(self) -> str:
        words = [
            _number(self.lines, "line"),
            _number(self.documents, "document"),
            _number(self.control, "control message"),
            _number(self.headers, "header"),
            f"{self.undecodable:,} undecodable",
        ]
        if self.skipped:
            words.append(f"{self.skipped:,} skipped")
        if self.filtered:
            words.append(f"{self.filtered:,} left out")
        rest = self.undecodable - len(self.first)
        more = [f"  … and {rest:,} more"] if rest > 0 else []
        return "\n".join([", ".join(words), *(f"  {one}" for one in self.first), *more])


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _reason(name: str, bad: Undecodable) -> str:
    place = name if bad.position < 0 else f"{name}:{bad.position + 1}"
    return f"{place}: {bad.reason}: {bad.message}"


def _missing(name: str, error: OSError) -> DataError:
    said = f"{name}: {error.strerror}; give the path of a file, or - for standard input"
    return DataError(said, exit_code=_EX_NOINPUT)


def _read(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise _missing(name, error) from error


def _check(names: Sequence[str]) -> None:
    """Complain about a file that is not there before the first line of another one is written."""
    for name in names:
        try:
            if name != "-":
                Path(name).stat()
        except OSError as error:
            raise _missing(name, error) from error


def _options(
    settings: Path | None, formats: Sequence[str], document: Literal["ecs", "raw"] | None, *, event_original: bool
) -> CodecOptions:
    from vpcflow.codec import FormatError, FormatRule, parse_format
    from vpcflow.settings.decoding import codec_options
    from vpcflow.settings.load import load

    if len(formats) > 1:
        raise VpcFlowError(
            "--format: given more than once; give one, or codec.formats by --settings", exit_code=EX_USAGE
        )
    options = codec_options(load(settings, os.environ).settings)
    for line_format in formats:
        try:
            parse_format(line_format)
        except FormatError as error:
            raise VpcFlowError(f"--format: {error}", exit_code=EX_USAGE) from error
        options = replace(options, formats=(FormatRule(format=line_format),))
    if document is not None:
        options = replace(options, shape=document)
    if event_original:
        options = replace(options, event_original=True)
    # A file may be of any age: there is no arrival to compare with.
    return replace(options, time_past_days=0.0, time_future_days=0.0)


def _write(out: BinaryIO, chunk: Decoded, output: str) -> None:
    if not chunk.count:
        return
    out.write(chunk.body if output == "bulk" else b"\n".join(chunk.body.split(b"\n")[1::2]) + b"\n")


def decode(
    files: Annotated[
        list[str] | None, typer.Argument(metavar="FILE|-", help="Files; - or none: standard input.")
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            help="Line format: `${version} …` as AWS prints it, names, or a preset such as v2, v5, tgw.",
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
    from vpcflow.codec import Decoder
    from vpcflow.codec.origins import file_origin

    names = files or ["-"]
    decoder = Decoder(_options(settings, formats or (), document, event_original=event_original))
    _check(names)
    totals = _Totals()
    status = StatusLine(SystemClock())
    out = sys.stdout.buffer
    for name in names:
        shown = "stdin" if name == "-" else name
        for chunk in decoder.decode(_read(name), file_origin(shown)):
            totals.add(shown, chunk)
            _write(out, chunk, output)
            status.tell(lambda shown=shown: f"{shown[-50:]}: {totals.lines:,} lines")  # type: ignore[misc]
    out.flush()
    status.clear()
    for notice in totals.notices:
        typer.echo(f"note: {notice}", err=True)
    typer.echo(totals.report(), err=True)
    if strict and totals.undecodable:
        raise typer.Exit(EX_DATAERR)
