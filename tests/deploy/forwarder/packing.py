"""`deploy/pack.py`, a script, as a module."""

from __future__ import annotations

import importlib.util
from types import ModuleType

from tests.deploy.forwarder.sam import ROOT


def packer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pack", ROOT / "deploy" / "pack.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
