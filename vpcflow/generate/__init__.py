"""Synthetic flow logs with a manifest of what was planted. Written without the codec, so that it can judge it."""

from vpcflow.generate.generator import Generator
from vpcflow.generate.options import GeneratorOptions
from vpcflow.generate.traffic import FIELD_NAMES, FORMATS, columns

__all__ = ["FIELD_NAMES", "FORMATS", "Generator", "GeneratorOptions", "columns"]
