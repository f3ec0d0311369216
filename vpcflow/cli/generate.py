"""`vpcflow generate`: synthetic flow logs with a manifest."""

from __future__ import annotations

import json
import sys
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vpcflow.errors import EX_USAGE, ConfigError

if TYPE_CHECKING:
    from vpcflow.generate import Generator

__all__ = ["generate"]

Encoding = Literal["gzip", "base64", "json"]
Output = Literal["cloudwatch", "text", "s3"]
_SPAN_SECONDS = 900


def generate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files and manifest.json; - for stdout.")],
    events: Annotated[int, typer.Option(min=0, help="Distinct events, the broken ones among them.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 7,
    interfaces: Annotated[int, typer.Option(min=1, max=5000, help="Network interfaces.")] = 12,
    line_format: Annotated[str, typer.Option("--format", help="v2, v5, tgw, `${version} …`, or column names.")] = "v2",
    output: Annotated[
        Output, typer.Option(help="CloudWatch Logs payloads, one text file, or files as AWS writes them to S3.")
    ] = "cloudwatch",
    encoding: Annotated[
        Encoding, typer.Option(help="Of payloads: a gzip file each, or a line each: base64 of the gzip, plain JSON.")
    ] = "gzip",
    start: Annotated[
        str, typer.Option(help="Of the first flow: seconds since 1970, 2026-11-25T06:00, or now (15 minutes ago).")
    ] = "1760000000",
    duplicates: Annotated[
        float, typer.Option(min=0, max=1, help="Share of events delivered twice (cloudwatch).")
    ] = 0.01,
    broken: Annotated[float, typer.Option(min=0, max=1, help="Share of lines that nobody can decode.")] = 0.002,
    nodata: Annotated[float, typer.Option(min=0, max=1, help="Share of NODATA and SKIPDATA lines.")] = 0.01,
) -> None:
    """Write realistic synthetic flow logs, and a manifest of what was planted in them.

    The manifest names the broken lines, counts the duplicates, and sums flows, packets and bytes by interface and action.
    A consumer takes flows of up to 400 days before their arrival: for one, say `--start now`.

    Examples:
    - `vpcflow generate --out flows --events 5000`

    - `vpcflow generate --out - --output text --format v5 | vpcflow decode -`

    - `vpcflow generate --out flows --output s3 --format '${version} ${srcaddr} ${dstaddr} ${bytes} ${end} ${action}'`

    - `vpcflow generate --out - --encoding base64 --start now | while read -r data; do aws kinesis put-record …; done`
    """
    from vpcflow.generate import Generator, GeneratorOptions, columns

    options = GeneratorOptions(
        events=events, seed=seed, interfaces=interfaces, start=_seconds(start), columns=columns(line_format),
        span_seconds=_SPAN_SECONDS, duplicates=duplicates, broken=broken, nodata=nodata,
    )  # fmt: skip
    generator = Generator(options)
    if str(out) == "-":
        if output == "s3" or (output, encoding) == ("cloudwatch", "gzip"):
            typer.echo("vpcflow generate: --out - needs --output text, or --encoding base64 or json", err=True)
            raise typer.Exit(EX_USAGE)
        for text in _lines(generator, output, encoding):
            sys.stdout.write(text)
        return
    try:
        _write(generator, out, output, encoding)
    except OSError as error:
        raise ConfigError(f"--out: {error.filename}: {error.strerror}; name a folder that can be written") from error


def _seconds(text: str) -> int:
    if text == "now":
        from vpcflow.clock import SystemClock

        return SystemClock().wall_ms() // 1000 - _SPAN_SECONDS - 60
    try:
        moment = datetime.fromtimestamp(int(text), UTC) if text.isdecimal() else datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(f"--start: {text!r} is no time; say 1760000000, 2026-11-25T06:00 (UTC), or now") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _lines(generator: Generator, output: Output, encoding: Encoding) -> Iterator[str]:
    if output == "text":
        for line in generator.lines():
            yield f"{line}\n"
    elif encoding == "base64":
        for packed in generator.payloads():
            yield f"{b64encode(packed).decode()}\n"
    else:
        for document in generator.documents():
            yield f"{document.decode()}\n"


def _write(generator: Generator, out: Path, output: Output, encoding: Encoding) -> None:
    out.mkdir(parents=True, exist_ok=True)
    if output == "s3" or (output, encoding) == ("cloudwatch", "gzip"):
        number = 0
        for number, (name, data) in enumerate(_files(generator, output), start=1):  # noqa: B007 - the last one counts
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    else:
        number = 1
        name = "flows.log" if output == "text" else f"payloads.{'b64' if encoding == 'base64' else 'jsonl'}"
        with (out / name).open("w", encoding="utf-8") as file:
            file.writelines(_lines(generator, output, encoding))
    manifest = generator.manifest.to_json()
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    typer.echo(
        f"{out}: {manifest['documents']} good events, {manifest['duplicates']} of them delivered twice, "
        f"{len(manifest['broken_lines'])} broken lines, in {number} file{'s' * (number != 1)}; see manifest.json",
        err=True,
    )


def _files(generator: Generator, output: Output) -> Iterator[tuple[str, bytes]]:
    if output == "s3":
        yield from generator.s3_files()
        return
    for number, payload in enumerate(generator.payloads()):
        yield f"payload-{number:05d}.gz", payload
