"""A proxy that makes faults: put it before a search engine (or any HTTP server) and see what your set-up does about them.

Every fault that it makes leaves one line in a log, so that a test can prove that its fault fired.
"""

from vpcflow.faults.journal import Journal
from vpcflow.faults.proxy import FaultProxy
from vpcflow.faults.script import load_script, parse_script

__all__ = ["FaultProxy", "Journal", "load_script", "parse_script"]
