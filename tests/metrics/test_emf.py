"""Lines for CloudWatch, against the rules of its specification.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from vpcflow.metrics import catalog, emf
from vpcflow.metrics.catalog import ALL, Counter, Gauge, Histogram
from vpcflow.metrics.meters import Tally

NOW = 1_700_000_000_000
UNITS = ["Count", "Bytes", "Seconds", "Milliseconds", "None"]
NUMBER = {"type": "number"}
# What the page demands of a document; that metrics and dimensions have members of the root is checked below.
SCHEMA = {
    "type": "object",
    "required": ["_aws"],
    "properties": {
        "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": False,
            "properties": {
                "Timestamp": {"type": "integer", "minimum": 0},
                "CloudWatchMetrics": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["Namespace", "Dimensions", "Metrics"],
                        "additionalProperties": False,
                        "properties": {
                            "Namespace": {"type": "string", "minLength": 1, "maxLength": 1024},
                            "Dimensions": {
                                "type": "array",
                                "minItems": 1,
                                "items": {
                                    "type": "array",
                                    "maxItems": 30,
                                    "uniqueItems": True,
                                    "items": {"type": "string", "minLength": 1, "maxLength": 250},
                                },
                            },
                            "Metrics": {
                                "type": "array",
                                "minItems": 1,
                                "maxItems": 100,
                                "items": {
                                    "type": "object",
                                    "required": ["Name"],
                                    "additionalProperties": False,
                                    "properties": {
                                        "Name": {"type": "string", "minLength": 1, "maxLength": 1024},
                                        "Unit": {"enum": UNITS},
                                        "StorageResolution": {"enum": [1, 60]},
                                    },
                                },
                            },
                        },
                    },
                },
            },
        }
    },
}
VALUE = {"anyOf": [NUMBER, {"type": "array", "minItems": 1, "maxItems": 100, "items": NUMBER}]}
DIMENSION = {"type": "string", "minLength": 1, "maxLength": 1024}


def told(tally: Tally, dimensions: dict[str, str] | None = None) -> dict[str, Any]:
    """Return the line, read and checked."""
    line = emf.line(tally.snapshot(), namespace="vpcflow", dimensions=dimensions or {"function": "f"}, timestamp_ms=NOW)
    assert "\n" not in line
    assert len(line.encode()) < 256 * 1024
    document: dict[str, Any] = json.loads(line)
    jsonschema.validate(document, SCHEMA)
    for directive in document["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            jsonschema.validate(document[metric["Name"]], VALUE)
        for name in (name for names in directive["Dimensions"] for name in names):
            jsonschema.validate(document[name], DIMENSION)
    return document


def units(document: dict[str, Any]) -> dict[str, str]:
    return {
        metric["Name"]: metric["Unit"]
        for directive in document["_aws"]["CloudWatchMetrics"]
        for metric in directive["Metrics"]
    }


def test_names_values_and_units() -> None:
    tally = Tally(keep=emf.KEPT)
    tally.count(catalog.DOCUMENTS, 7, outcome="created")
    tally.count(catalog.WIRE_BYTES, 1234)
    tally.set(catalog.BREAKER_OPEN, 1)
    for seconds in (0.5, 0.25):
        tally.observe(catalog.BULK_SECONDS, seconds)
    document = told(tally)
    assert document["_aws"]["Timestamp"] == NOW
    assert document["documents_created"] == 7
    assert document["bulk_seconds"] == [0.5, 0.25]
    assert units(document) == {
        "documents_created": "Count",
        "wire_bytes": "Bytes",
        "breaker_open": "None",
        "bulk_seconds": "Seconds",
    }


def test_everything_at_once_keeps_to_the_limits() -> None:
    tally = Tally(keep=1_000)
    for metric in ALL:
        labels = dict.fromkeys(metric.labels, "x")
        match metric:
            case Counter():
                for value in metric.values or ("x",):
                    tally.count(metric, 1, **dict.fromkeys(metric.labels, value))
            case Gauge():
                tally.set(metric, 1, **labels)
            case Histogram():
                for _ in range(500):
                    tally.observe(metric, 1.0, **labels)
    for number in range(150):
        tally.count(catalog.REJECTED, 1, error_type=f"type_{number}")
    document = told(tally)
    assert len(document["_aws"]["CloudWatchMetrics"]) > 1
    assert len(units(document)) > 150
    assert len(document["bulk_seconds"]) == 100


def test_dimensions_that_cloudwatch_would_refuse() -> None:
    tally = Tally()
    tally.count(catalog.RECORDS)
    document = told(tally, {"function": "", "stream": "s" * 2_000})
    assert document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["stream"]]
    assert told(tally, {"function": " "})["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]
    with pytest.raises(ValueError, match="at most 30"):
        told(tally, {f"d{number}": "x" for number in range(31)})


def test_nothing_measured_is_no_line() -> None:
    nothing = Tally()
    nothing.count(catalog.RECORDS, 0)
    assert emf.line(nothing.snapshot(), namespace="n", dimensions={}, timestamp_ms=NOW) == ""
    assert emf.line(Tally().snapshot(), namespace="n", dimensions={}, timestamp_ms=NOW) == ""


def test_observations_that_were_not_kept_are_not_told() -> None:
    tally = Tally()
    tally.count(catalog.RECORDS)
    tally.observe(catalog.BULK_SECONDS, 1.0)
    assert list(units(told(tally))) == ["records"]
