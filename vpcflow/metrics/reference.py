"""The table of metrics for `docs/metrics.md`, made of the catalogue."""

from __future__ import annotations

from vpcflow.metrics.catalog import ALL, Gauge, Histogram, Metric

__all__ = ["metric_table"]


def _kind(metric: Metric) -> str:
    if isinstance(metric, Gauge):
        return "gauge"
    return "histogram" if isinstance(metric, Histogram) else "counter"


def metric_table() -> str:
    """Return the table, Markdown."""
    rows = ["| Name | Kind | Label | Unit | Meaning |", "|---|---|---|---|---|"]
    for metric in ALL:
        label = ", ".join(f"`{name}`" for name in metric.labels)
        rows.append(f"| `{metric.name}` | {_kind(metric)} | {label} | {metric.unit} | {metric.sentence} |")
    return "\n".join(rows) + "\n"
