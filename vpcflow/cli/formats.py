"""`vpcflow formats`: the line formats of an account's flow logs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import typer

from vpcflow.cli.group import group
from vpcflow.errors import DataError, VpcFlowError

__all__ = ["formats"]

formats = group("formats", "Line formats of flow logs.")

Regions = Annotated[
    list[str] | None, typer.Option("--region", help="AWS region; may be repeated. [default: the environment's]")
]
Endpoint = Annotated[str, typer.Option("--endpoint", help="Endpoint override, for emulators and VPC endpoints.")]


@formats.command()
def discover(
    region: Regions = None,
    endpoint: Endpoint = "",
    output: Annotated[Path | None, typer.Option(help="Write the settings there. [default: standard output]")] = None,
) -> None:
    """Read the formats of the account's flow logs (EC2 DescribeFlowLogs) and print them as `codec.formats`, by source.

    Records of CloudWatch Logs and Firehose name no columns; with these settings nothing has to be guessed.

    Examples:
    - `vpcflow formats discover --region eu-central-1 >> vpcflow.toml`

    - `vpcflow formats discover --region eu-central-1 --region us-east-1 --output formats.toml`
    """
    from vpcflow.account.flow_logs import rules
    from vpcflow.settings.toml import toml

    described = list(_described(region, endpoint))
    found = rules(described)
    lines: list[str] = []
    for entry in found:
        lines.append(f"# {entry.note} ({', '.join(entry.flow_logs)})")
        if entry.rule:
            lines.append("[[codec.formats]]")
            lines += [f"{key} = {toml(value)}" for key, value in entry.rule.items()]
        lines.append("")
    written(output, "\n".join(lines))
    told = sum(bool(entry.rule) for entry in found)
    typer.echo(f"{len(described)} flow logs, {told} formats by source", err=True)


def _described(regions: list[str] | None, endpoint: str) -> Iterator[dict[str, Any]]:
    from vpcflow.account.flow_logs import flow_logs
    from vpcflow.aws import explained

    for region in regions or [""]:
        with closing(ec2_client(region, endpoint)) as ec2, explained(f"EC2 {region}".strip(), "--region", VpcFlowError):
            yield from flow_logs(ec2)


def ec2_client(region: str, endpoint: str) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a client for one region; '' is the environment's. Raises VpcFlowError."""
    from vpcflow.aws import client

    return client("ec2", region=region, endpoint=endpoint, error=VpcFlowError)


def written(output: Path | None, text: str) -> None:
    """Print, or write to a file. Raises DataError."""
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DataError(f"{output}: {error.strerror}; give another file with --output") from error
