"""Synthetic flow logs with a manifest of what was planted. Written without the codec, so that it can judge it."""

from vpcflow.generate.fields import FIELD_NAMES, FORMATS, columns
from vpcflow.generate.generator import Event, Generator
from vpcflow.generate.manifest import Manifest, Sums
from vpcflow.generate.options import GeneratorOptions

__all__ = ["FIELD_NAMES", "FORMATS", "Event", "Generator", "GeneratorOptions", "Manifest", "Sums", "columns"]
