"""The `vpcflow` command."""
