"""What the embedded stack says when it cannot be had."""

from __future__ import annotations

from vpcflow.errors import EX_TEMPFAIL, VpcFlowError

__all__ = ["StackError"]


class StackError(VpcFlowError):
    """A part could not be fetched, or a server did not start. The message is one line for people."""

    exit_code = EX_TEMPFAIL
