from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def reference() -> Callable[[list[str], str], dict[str, Any]]:
    path = Path(__file__).with_name("reference.py")
    spec = importlib.util.spec_from_file_location("codec_reference", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made: Callable[[list[str], str], dict[str, Any]] = module.document
    return made
