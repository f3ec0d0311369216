"""`vpcflow labels`: names for interfaces and addresses."""

from __future__ import annotations

import csv
import io
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from vpcflow.cli.formats import Endpoint, Regions, ec2_client, written
from vpcflow.cli.group import group
from vpcflow.errors import VpcFlowError

__all__ = ["labels"]

labels = group("labels", "Names for interfaces and addresses, as `labels.files` wants them.")


@labels.command("from-ec2")
def from_ec2(
    region: Regions = None,
    endpoint: Endpoint = "",
    subnets: Annotated[bool, typer.Option("--subnets", help="The CIDRs of subnets, too.")] = False,  # noqa: FBT002
    output: Annotated[Path | None, typer.Option(help="Write the file there. [default: standard output]")] = None,
) -> None:
    """Make a label file of the account's network interfaces (EC2 DescribeNetworkInterfaces).

    An interface is called as its tag `Name` says, else as its instance's, else by its description; its addresses likewise. An
    address that two interfaces have under different names is left out, and said.

    Example: `vpcflow labels from-ec2 --region eu-central-1 --subnets --output labels.csv`
    """
    from vpcflow.account.interfaces import Names, interface_names
    from vpcflow.aws import explained

    names = Names()
    for one in region or [""]:
        with closing(ec2_client(one, endpoint)) as ec2, explained(f"EC2 {one}".strip(), "--region", VpcFlowError):
            interface_names(ec2, names, subnets=subnets)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("key", "name"))
    writer.writerows(names.names.items())
    written(output, text.getvalue())
    typer.echo(f"{len(names.names)} names, {names.unnamed} things without one", err=True)
    for key in sorted(names.ambiguous):
        typer.echo(f"{key}: left out, two things with different names have it", err=True)
