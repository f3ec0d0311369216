"""`vpcflow generate`: synthetic flow logs with a manifest."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vpcflow.errors import EX_USAGE, ConfigError

if TYPE_CHECKING:
    from vpcflow.generate import Generator

__all__ = ["generate"]


def generate(
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the files and manifest.json; - writes lines to stdout.")
    ],
    events: Annotated[int, typer.Option(min=0, help="Distinct events.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same bytes.")] = 7,
    interfaces: Annotated[int, typer.Option(min=1, max=5000, help="Network interfaces.")] = 12,
    line_format: Annotated[str, typer.Option("--format", help="v2, v5, tgw, `${version} …`, or column names.")] = "v2",
    output: Annotated[
        Literal["cloudwatch", "text", "s3"],
        typer.Option(help="Gzip CloudWatch Logs payloads, one text file, or files as AWS writes them to S3."),
    ] = "cloudwatch",
    start: Annotated[int, typer.Option(min=0, help="Start of the first flow, seconds since 1970.")] = 1_760_000_000,
    duplicates: Annotated[
        float, typer.Option(min=0, max=1, help="Share of events delivered twice (cloudwatch).")
    ] = 0.01,
    broken: Annotated[float, typer.Option(min=0, max=1, help="Share of lines that nobody can decode.")] = 0.002,
    nodata: Annotated[float, typer.Option(min=0, max=1, help="Share of NODATA and SKIPDATA lines.")] = 0.01,
) -> None:
    """Write realistic synthetic flow logs, and a manifest of what was planted in them.

    Examples:
    - `vpcflow generate --out flows --events 5000`

    - `vpcflow generate --out - --output text --format v5 | vpcflow decode -`
    """
    from vpcflow.generate import Generator, GeneratorOptions, columns

    options = GeneratorOptions(
        events=events, seed=seed, interfaces=interfaces, start=start, columns=columns(line_format),
        duplicates=duplicates, broken=broken, nodata=nodata,
    )  # fmt: skip
    generator = Generator(options)
    if str(out) == "-":
        if output != "text":
            typer.echo("vpcflow generate: --out - needs --output text", err=True)
            raise typer.Exit(EX_USAGE)
        for text in generator.lines():
            sys.stdout.write(text + "\n")
        return
    try:
        for name, data in _files(generator, output):
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        manifest = generator.manifest.to_json()
        out.mkdir(parents=True, exist_ok=True)
        (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--out: {error.filename}: {error.strerror}; name a folder that can be written") from error
    typer.echo(
        f"{out}: {manifest['documents']} events, {manifest['duplicates']} duplicates, "
        f"{len(manifest['broken_lines'])} broken lines, {manifest['payloads']} files",
        err=True,
    )


def _files(generator: Generator, output: str) -> Iterator[tuple[str, bytes]]:
    if output == "cloudwatch":
        for number, payload in enumerate(generator.payloads()):
            yield f"payload-{number:05d}.gz", payload
    elif output == "s3":
        yield from generator.s3_files()
    else:
        text = "".join(f"{one}\n" for one in generator.lines())
        yield "flows.log", text.encode()
