"""`vpcflow demo`: the whole path on this machine, and the proof that nothing was lost and nothing doubled."""

from vpcflow.demo.options import DemoOptions
from vpcflow.demo.run import Demo

__all__ = ["Demo", "DemoOptions"]
