"""The embedded stack: a real search engine, a Kinesis emulator and a lease table, out of packages only.

For the demo and the tests. Nothing but Python is needed: Java, Node and the servers come from package registries into one
cache folder, each file checked against a lock. Everything listens on loopback only.
"""

from __future__ import annotations

from vpcflow.stack.cache import Cache, Progress, cache_folder
from vpcflow.stack.embedded import Stack
from vpcflow.stack.errors import StackError
from vpcflow.stack.parts import Engine
from vpcflow.stack.pids import stop

__all__ = ["Cache", "Engine", "Progress", "Stack", "StackError", "cache_folder", "stop"]
