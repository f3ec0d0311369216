"""Programs that check what we deploy with, each of a pinned version: in the cache, on no PATH."""

from tests.tools.toolbox import NAMES, ToolMissing, fetch, needed, tool

__all__ = ["NAMES", "ToolMissing", "fetch", "needed", "tool"]
