"""`vpcflow demo`: the whole path on this machine, and the proof that nothing was lost and nothing doubled."""

from vpcflow.demo.run import Demo, DemoOptions

__all__ = ["Demo", "DemoOptions"]
