"""What the chart makes is what Kubernetes takes, and what an operator expects of it."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.helm.chart import CHART, NEWEST, OLDEST, VALUES, Rendered, helm, merged, rendered
from tests.deploy.helm.kubernetes import complaints, versions

pytestmark = pytest.mark.tools
EACH = pytest.mark.parametrize("name", VALUES)
ROOT = CHART.parents[2]
STOP_MARGIN_SECONDS = 15  # docs/operations.md


@EACH
def test_helm_finds_nothing(name: str, tmp_path: Path) -> None:
    done = helm(["lint", "--strict", str(CHART), "--kube-version", NEWEST], VALUES[name], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout + done.stderr


@EACH
def test_the_oldest_and_the_newest_kubernetes_take_every_manifest(name: str, tmp_path: Path) -> None:
    chosen = versions()
    chosen = chosen[chosen.index(OLDEST.removesuffix(".0")) :]
    assert len(chosen) >= 5
    found = [
        f"{version} {manifest['kind']}: {complaint}"
        for version in (chosen[0], chosen[-1])
        for manifest in rendered(VALUES[name], tmp_path, f"{version}.0").manifests
        for complaint in complaints(manifest, version)
    ]
    assert not found


def _without(manifest: dict[str, Any], key: str) -> None:
    del manifest["spec"][key]


@pytest.mark.parametrize(
    ("kind", "spoil", "complaint"),
    [
        ("StatefulSet", lambda one: one["spec"].update(replica=3), "'replica' was unexpected"),
        ("StatefulSet", lambda one: one["spec"]["template"]["spec"].update(serviceAccuntName="x"), "serviceAccuntName"),
        ("StatefulSet", lambda one: one["spec"].update(replicas="two"), "'two' is not of type"),
        ("StatefulSet", lambda one: _without(one, "selector"), "'selector' is a required property"),
        ("StatefulSet", lambda one: one["spec"].update(updateStrategy=None), "is null"),
        ("HorizontalPodAutoscaler", lambda one: one["spec"].update(maxReplica=3), "'maxReplica' was unexpected"),
        ("PodMonitor", lambda one: one["spec"].update(endpoints=[]), "'endpoints' was unexpected"),
    ],
)
def test_the_schemas_do_complain(kind: str, spoil: Any, complaint: str, tmp_path: Path) -> None:  # noqa: ANN401
    manifest = copy.deepcopy(rendered(VALUES["hpa"], tmp_path).of(kind))
    spoil(manifest)
    assert complaint in "\n".join(complaints(manifest, versions()[-1]))


@EACH
def test_there_is_time_to_stop(name: str, tmp_path: Path) -> None:
    made = rendered(VALUES[name], tmp_path)
    grace = int(re.search(r"shutdown_grace_milliseconds = (\d+)", made.settings)[1])  # type: ignore[index]
    assert made.pod["spec"]["terminationGracePeriodSeconds"] > grace / 1000 + STOP_MARGIN_SECONDS


@EACH
def test_probes_ask_what_the_endpoint_answers(name: str, tmp_path: Path) -> None:
    container = rendered(VALUES[name], tmp_path).container
    answers = set(re.findall(r'path == "(/\w+)"', (ROOT / "consumer" / "endpoint.py").read_text()))
    probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert {probe["path"] for probe in probes.values()} == {"/healthz", "/readyz"} < answers
    assert probes["liveness"]["path"] == "/healthz", "a restart does not bring the search engine back"
    (port,) = container["ports"]
    assert {probe["port"] for probe in probes.values()} == {port["name"]}
    listen = next(each["value"] for each in container["env"] if each["name"] == "VPCFLOW_METRICS__LISTEN")
    assert listen == f"0.0.0.0:{port['containerPort']}"


@EACH
def test_replicas_keep_their_names_and_do_not_wait_for_each_other(name: str, tmp_path: Path) -> None:
    made = rendered(VALUES[name], tmp_path)
    spec = made.of("StatefulSet")["spec"]
    assert spec["podManagementPolicy"] == "Parallel"
    assert made.environ["VPCFLOW_CONSUMER__WORKER_ID"] == VALUES[name].get("workerIdPrefix", "") + "flows-0"
    names = [each["name"] for each in made.container["env"]]
    assert names.index("POD_NAME") < names.index("VPCFLOW_CONSUMER__WORKER_ID"), "the kubelet expands in their order"
    assert spec["serviceName"] == made.of("Service")["metadata"]["name"]
    assert made.of("Service")["spec"]["clusterIP"] == "None"


@EACH
def test_services_of_the_namespace_do_not_become_settings(name: str, tmp_path: Path) -> None:
    assert rendered(VALUES[name], tmp_path).pod["spec"]["enableServiceLinks"] is False


@EACH
def test_the_pod_may_do_as_little_as_the_image_needs(name: str, tmp_path: Path) -> None:
    made = rendered(VALUES[name], tmp_path)
    dockerfile = (ROOT / "docker" / "consumer.Dockerfile").read_text()
    user, group = re.search(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE).groups()  # type: ignore[union-attr]
    pod, container = made.pod["spec"]["securityContext"], made.container["securityContext"]
    assert (pod["runAsNonRoot"], pod["runAsUser"], pod["runAsGroup"]) == (True, int(user), int(group))
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["readOnlyRootFilesystem"] is True
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert made.pod["spec"]["automountServiceAccountToken"] is False
    assert {"name": "temporary", "mountPath": "/tmp"} in made.container["volumeMounts"]  # noqa: S108
    assert "command" not in made.container, "the entry point of the image, tini, must stay"
    assert 'ENTRYPOINT ["/usr/bin/tini", "--"]' in dockerfile


@EACH
def test_mounts_have_their_volumes(name: str, tmp_path: Path) -> None:
    made = rendered(VALUES[name], tmp_path)
    volumes = {each["name"] for each in made.pod["spec"]["volumes"]}
    volumes |= {each["metadata"]["name"] for each in made.of("StatefulSet")["spec"].get("volumeClaimTemplates", [])}
    assert {each["name"] for each in made.container["volumeMounts"]} == volumes


def test_an_image_is_named_by_what_does_not_move(tmp_path: Path) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)[1]  # type: ignore[index]
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == version
    repository = "registry.example.com/vpcflow-consumer"
    assert rendered(VALUES["least"], tmp_path).container["image"] == f"{repository}:{version}"
    assert rendered(VALUES["everything"], tmp_path).container["image"] == f"{repository}@sha256:{'a' * 64}"


def test_replicas_are_left_to_the_autoscaler(tmp_path: Path) -> None:
    assert rendered(VALUES["role"], tmp_path).of("StatefulSet")["spec"]["replicas"] == 3
    for name in ("hpa", "keda"):
        assert "replicas" not in rendered(VALUES[name], tmp_path).of("StatefulSet")["spec"], name


def _metric() -> str:
    """Return the name under which the consumer shows its lag."""
    from vpcflow.metrics import catalog
    from vpcflow.metrics.meters import Tally
    from vpcflow.metrics.prometheus import exposition

    own = Tally()
    own.set(catalog.MILLISECONDS_BEHIND_LATEST, 1, shard="shardId-000000000000")
    body, _ = exposition(own.snapshot, "")
    return re.search(r'^(\w+)\{shard="shardId-000000000000"\} 1', body.decode(), re.MULTILINE)[1]  # type: ignore[index]


def test_autoscaling_follows_the_lag_up_to_the_number_of_shards(tmp_path: Path) -> None:
    made = rendered(VALUES["hpa"], tmp_path)
    spec = made.of("HorizontalPodAutoscaler")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, VALUES["hpa"]["shards"])
    assert spec["scaleTargetRef"]["name"] == made.of("StatefulSet")["metadata"]["name"]
    (metric,) = spec["metrics"]
    assert metric["pods"]["metric"]["name"] == _metric()
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "300000"}
    calm = {way: rule["stabilizationWindowSeconds"] for way, rule in spec["behavior"].items()}
    assert calm["scaleDown"] > calm["scaleUp"]


def test_keda_asks_prometheus_for_the_same(tmp_path: Path) -> None:
    import promql_parser

    made = rendered(VALUES["keda"], tmp_path)
    assert not made.has("HorizontalPodAutoscaler"), "KEDA makes one of its own"
    spec = made.of("ScaledObject")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, VALUES["keda"]["shards"])
    (trigger,) = spec["triggers"]
    query = trigger["metadata"]["query"]
    promql_parser.parse(query)
    assert _metric() in query
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    # AverageValue: ceil(sum / target), as with pods' metrics. Of type Value, the autoscaler multiplies by the pods that are
    # ready: none is while the engine is away, and a fleet would be taken down to its least just then.
    assert trigger["metricType"] == "AverageValue"
    assert query.startswith("sum(max by (pod)")
    pods = re.search(r'pod=~"(.+?)"', query)[1]  # type: ignore[index]
    assert re.fullmatch(pods, made.of("StatefulSet")["metadata"]["name"] + "-11")


def _selectors(made: Rendered) -> list[dict[str, str]]:
    found = [made.of("StatefulSet")["spec"]["selector"]["matchLabels"], made.of("Service")["spec"]["selector"]]
    for kind in ("PodDisruptionBudget", "PodMonitor"):
        if made.has(kind):
            found.append(made.of(kind)["spec"]["selector"]["matchLabels"])
    found += [each["labelSelector"]["matchLabels"] for each in made.pod["spec"]["topologySpreadConstraints"]]
    if made.has("NetworkPolicy"):
        found.append(made.of("NetworkPolicy")["spec"]["podSelector"]["matchLabels"])
    return found


@EACH
def test_selectors_find_the_pods_and_stay_what_they_are(name: str, tmp_path: Path) -> None:
    made = rendered(VALUES[name], tmp_path)
    labels = made.pod["metadata"]["labels"]
    for selector in _selectors(made):
        assert selector == {"app.kubernetes.io/name": "vpcflow-consumer", "app.kubernetes.io/instance": "flows"}
        assert selector.items() <= labels.items()
    assert "helm.sh/chart" not in labels, "a new version of the chart alone restarts no pod"


def test_other_settings_restart_the_pods_and_the_same_ones_do_not(tmp_path: Path) -> None:
    def checksum(*more: dict[str, Any]) -> str:
        annotations = rendered(merged(VALUES["least"], *more), tmp_path).pod["metadata"]["annotations"]
        return str(annotations["checksum/settings"])

    assert checksum() == checksum({"replicaCount": 5})
    assert checksum() != checksum({"settings": {"bulk": {"max_actions": 100}}})


def test_the_role_is_where_each_way_looks_for_it(tmp_path: Path) -> None:
    made = rendered(VALUES["role"], tmp_path)
    account = made.of("ServiceAccount")
    assert account["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/vpcflow-consumer"
    }
    assert made.pod["spec"]["serviceAccountName"] == account["metadata"]["name"]
    theirs = rendered(VALUES["pod-identity"], tmp_path)
    assert not theirs.has("ServiceAccount")
    assert theirs.pod["spec"]["serviceAccountName"] == "theirs"


def test_a_budget_stops_no_drain_of_a_pod_that_waits(tmp_path: Path) -> None:
    spec = rendered(VALUES["least"], tmp_path).of("PodDisruptionBudget")["spec"]
    assert (spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_volumes_of_dead_letters_outlive_their_pods(tmp_path: Path) -> None:
    spec = rendered(VALUES["files"], tmp_path).of("StatefulSet")["spec"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    (claim,) = spec["volumeClaimTemplates"]
    assert claim["spec"]["storageClassName"] == "gp3"
