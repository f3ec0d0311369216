"""A snapshot in CloudWatch's embedded metric format: a line on a Lambda's stdout that CloudWatch Logs turns into metrics.

See "Specification: Embedded metric format" in the Amazon CloudWatch user guide,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import orjson

from vpcflow.metrics.catalog import ALL
from vpcflow.metrics.snapshot import Snapshot, named

__all__ = ["KEPT", "line", "write"]

KEPT = 100  # an array holds at most so many values of a metric, a directive at most so many metrics
_MOST_DIMENSIONS = 30
_MOST_TEXT = 1024
_UNITS = {"count": "Count", "bytes": "Bytes", "seconds": "Seconds", "milliseconds": "Milliseconds", "flag": "None"}
_UNIT_OF = {metric.name: _UNITS[metric.unit] for metric in ALL}


def line(snapshot: Snapshot, *, namespace: str, dimensions: Mapping[str, str], timestamp_ms: int) -> str:
    """Return one line of JSON, without a newline; "" where nothing was measured. Counters that are 0 are left out.

    A metric with a label becomes one metric for each value of it, `documents_created`: in this format a line has one set of
    dimensions. Histograms are told as single values, those that the tally kept (`Tally(keep=KEPT)`).

    Args:
        snapshot: of one invocation.
        namespace: CloudWatch's.
        dimensions: name → value, for all metrics; empty values are left out, CloudWatch refuses them.
        timestamp_ms: since 1970.

    Raises:
        ValueError: more than 30 dimensions.
    """
    values: dict[str, float | list[float]] = {}
    units: dict[str, str] = {}
    happened = {key: number for key, number in snapshot.counters.items() if number}  # each name is billed
    for key, number in {**happened, **snapshot.gauges}.items():
        values[named(key)] = number
        units[named(key)] = _UNIT_OF[key[0]]
    for key, distribution in snapshot.histograms.items():
        if not distribution.values:
            continue
        values[named(key)] = distribution.values[:KEPT]
        units[named(key)] = _UNIT_OF[key[0]]
    if not values:
        return ""
    said = {name: value[:_MOST_TEXT] for name, value in dimensions.items() if value.strip()}
    if len(said) > _MOST_DIMENSIONS:
        raise ValueError(f"{len(said)} dimensions: CloudWatch takes at most {_MOST_DIMENSIONS}")
    metrics = [{"Name": name, "Unit": unit} for name, unit in units.items()]
    directives = [
        {"Namespace": namespace, "Dimensions": [list(said)], "Metrics": metrics[at : at + KEPT]}
        for at in range(0, len(metrics), KEPT)
    ]
    return orjson.dumps(
        {"_aws": {"Timestamp": timestamp_ms, "CloudWatchMetrics": directives}, **said, **values}
    ).decode()


def write(snapshot: Snapshot, *, namespace: str, environ: Mapping[str, str], timestamp_ms: int) -> None:
    """Write what a Lambda measured in one invocation to stdout, if there is anything; nothing without a namespace.

    environ: the function's; tells its name, the only dimension.
    """
    dimensions = {"function": environ.get("AWS_LAMBDA_FUNCTION_NAME", "")}
    text = line(snapshot, namespace=namespace, dimensions=dimensions, timestamp_ms=timestamp_ms) if namespace else ""
    if text:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
