"""Dashboard and alert rules ask for metrics that exist, by labels that they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml  # type: ignore[import-untyped]

from vpcflow.metrics import catalog
from vpcflow.metrics.catalog import ALL, Counter, Histogram
from vpcflow.settings.model import Settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "vpcflow-consumer.json").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
SCRAPED = ("job", "instance")  # what Prometheus adds to each series
COUNTERS = [metric for metric in ALL if isinstance(metric, Counter)]
LAMBDAS_ONLY = {
    metric.exposed
    for metric in (catalog.ANSWERS, catalog.REINGESTED, catalog.ITEMS, catalog.EMPTY_ITEMS, catalog.OBJECTS)
}
RECEIVERS_ONLY = {
    catalog.FIREHOSE_REQUESTS.exposed,
    catalog.FIREHOSE_SECONDS.exposed,
    catalog.FIREHOSE_IN_PROGRESS.exposed,
}

LABELS: dict[str, set[str]] = {}
for metric in ALL:
    if isinstance(metric, Histogram):
        LABELS[f"{metric.exposed}_bucket"] = {*metric.labels, "le", *SCRAPED}
        LABELS[f"{metric.exposed}_sum"] = LABELS[f"{metric.exposed}_count"] = {*metric.labels, *SCRAPED}
    else:
        LABELS[metric.exposed] = {*metric.labels, *SCRAPED}


def panels() -> list[dict[str, Any]]:
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[tuple[str, str]]:
    """Yield where each expression stands, and the expression as Prometheus would get it."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], re.sub(r"\$__rate_interval\b", "5m", target["expr"])
    for rule in RULES:
        yield rule["alert"], rule["expr"]


EXPRESSIONS = list(expressions())


def selectors(node: Any) -> Iterator[Any]:  # noqa: ANN401 - a node of any kind
    """Yield the vector selectors below a node of promql_parser's tree."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("lhs", "rhs", "expr", "vector_selector", "param"):
        child = getattr(node, name, None)
        if child is not None:
            yield from selectors(child)
    for child in getattr(node, "args", None) or ():
        yield from selectors(child)


def grouped(node: Any) -> Iterator[tuple[set[str], set[str]]]:  # noqa: ANN401
    """Yield the labels of each `by (…)`, with the names of the metrics below it."""
    if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
        yield set(node.modifier.labels), {selector.name for selector in selectors(node)}
    for name in ("lhs", "rhs", "expr"):
        child = getattr(node, name, None)
        if child is not None:
            yield from grouped(child)
    for child in getattr(node, "args", None) or ():
        yield from grouped(child)


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_each_expression_asks_for_what_there_is(where: str, expression: str) -> None:
    tree = promql_parser.parse(expression)
    found = list(selectors(tree))
    assert found, where
    for selector in found:
        assert selector.name in LABELS
        assert {matcher.name for matcher in selector.matchers.matchers} <= LABELS[selector.name]
        for matcher in selector.matchers.matchers:
            values = {value for counter in COUNTERS if counter.exposed == selector.name for value in counter.values}
            assert matcher.value.startswith("$") or matcher.value in values
    for labels, names in grouped(tree):
        assert all(labels <= LABELS[name] for name in names)


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        selector.name
        for panel in panels()
        for target in panel["targets"]
        for selector in selectors(promql_parser.parse(target["expr"].replace("$__rate_interval", "5m")))
    }
    shown |= {re.sub(r"_(bucket|sum|count)$", "", name) for name in shown}
    assert {metric.exposed for metric in ALL} - shown == LAMBDAS_ONLY | RECEIVERS_ONLY


def test_the_dashboard_can_be_imported() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for panel in panels():
        assert panel["description"]
        for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
            assert source == {"type": "prometheus", "uid": "${datasource}"}
    # Every variable that is asked for is there, but for Grafana's own.
    text = json.dumps(DASHBOARD)
    asked = set(re.findall(r"\$\{?([a-z]\w*)", text))
    assert asked == set(variables)
    for name in ("job", "instance", "shard"):
        wanted = re.findall(r"vpcflow_\w+", variables[name]["definition"])
        assert wanted
        assert all(name in LABELS[metric] for metric in wanted)


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_rule_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert set(rule["annotations"]) == {"summary", "description"}
    assert len(rule["annotations"]["description"]) > 80
    assert re.fullmatch(r"\d+[mh]", rule.get("for", "0m"))


def test_the_alarms_that_must_be_there() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(set(names)) == len(names)
    by_name = {rule["alert"]: rule["expr"] for rule in RULES}
    # The thresholds are those at which the consumer itself says so in its log.
    metrics = Settings().metrics
    assert by_name["VpcflowExpiryNear"].endswith(f"< {metrics.expiry_warning_seconds:.0f}")
    assert by_name["VpcflowExpiryCritical"].endswith(f"< {metrics.expiry_critical_seconds:.0f}")
    assert by_name["VpcflowNotReady"] == "vpcflow_ready == 0"
