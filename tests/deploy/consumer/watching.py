"""Alarms of the consumer's templates: on metrics that exist, of AWS, of the Kinesis Client Library, or made of log lines."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.deploy.alarms import METRICS
from tests.deploy.template import Stack

# Seen of KCL 3.1.3 at metricsLevel SUMMARY, in the namespace of the application; `test_observed` looks again.
KCL: dict[str, list[set[str]]] = {"MillisBehindLatest": [{"Operation"}, {"Operation", "ShardId"}]}
KCL_OPERATION = "ApplicationTracker"
# Told by reads alone. The library does not read while its queue is full, which is while the engine is away: an alarm on them
# that takes silence for good gives the all-clear just then.
OF_READS = {"GetRecords.IteratorAgeMilliseconds", "MillisBehindLatest"}
_TERM = re.compile(r'\$\.(\w+) (=|!=|>) ("[^"]*"|\d+)')


def alarms(stack: Stack) -> Iterator[str]:
    """Complain about alarms on metrics that do not exist, which stay silent for ever."""
    ours = {
        (made["MetricNamespace"], made["MetricName"])
        for filter_ in stack.resources("AWS::Logs::MetricFilter").values()
        for made in filter_["MetricTransformations"]
    }
    asked = set()
    for name, alarm in stack.resources("AWS::CloudWatch::Alarm").items():
        for metric in metrics(alarm):
            key = (metric["Namespace"], metric["MetricName"])
            dimensions = {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
            asked.add(key)
            if not known(stack, key, dimensions, ours):
                yield f"{name}: no such metric: {key} {dimensions}"
        missing = ("ignore",) if asked_of_reads(alarm) else ("breaching", "notBreaching")
        if alarm["TreatMissingData"] not in missing:
            yield f"{name}: TreatMissingData {alarm['TreatMissingData']}"
    for namespace, name in ours - asked:
        yield f"{namespace} {name}: nobody asks for it"


def known(stack: Stack, key: tuple[str, str], dimensions: Mapping[str, str], ours: set[tuple[str, str]]) -> bool:
    if key in ours:
        return not dimensions
    if key in METRICS:
        return METRICS[key][0] == set(dimensions) and all(dimensions.values())
    if "Application" in stack.template["Parameters"] and key[0] == stack.parameter("Application"):
        right = dimensions.get("Operation") == KCL_OPERATION or "ShardId" in dimensions
        return set(dimensions) in KCL.get(key[1], []) and right
    return False


def metrics(alarm: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the metrics that an alarm asks for."""
    if "MetricName" in alarm:
        yield alarm
    for one in alarm.get("Metrics", []):
        if "MetricStat" in one:
            yield one["MetricStat"]["Metric"]


def asked_of_reads(alarm: Mapping[str, Any]) -> bool:
    return any(metric["MetricName"] in OF_READS for metric in metrics(alarm))


def matches(pattern: str, line: str) -> bool:
    """Return whether a filter takes a log line: JSON patterns, as far as ours go.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
    """
    assert re.fullmatch(r"\{ .+ \}", pattern), pattern
    found = json.loads(line)
    return all(_fits(found, term.strip()) for term in pattern[2:-2].split("&&"))


def _fits(found: Mapping[str, Any], term: str) -> bool:
    parts = _TERM.fullmatch(term)
    assert parts, f"{term}: these tests do not know it"
    value = found.get(parts[1])
    if parts[2] == ">":
        return isinstance(value, int) and value > int(parts[3])
    same = isinstance(value, str) and fnmatch.fnmatchcase(value, json.loads(parts[3]))
    return same != (parts[2] == "!=")
