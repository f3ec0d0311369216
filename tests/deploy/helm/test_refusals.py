"""What an operator gets wrong is refused before anything is installed, and told in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.helm.chart import CHART, NEWEST, VALUES, helm, merged

pytestmark = pytest.mark.tools
LETTERS = {"settings": {"deadletters": {"kind": "file"}}}


def _engine(**keys: Any) -> dict[str, Any]:  # noqa: ANN401 - values of a setting
    return {"settings": {"elasticsearch": keys}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"replicas": 3}, "replicas"),
        ({"autoscaling": {"enable": True}}, "enable"),
        ({"settings": {"kinesis": {"streem": "x"}}}, "streem"),
        ({"settings": {"receiver": {"path": "/"}}}, "receiver"),
        ({"image": {"tag": "latest"}}, "tag"),
        ({"image": {"repository": ""}}, "image.repository: name the image"),
        ({"replicaCount": "three"}, "replicaCount"),
        ({"settings": {"kinesis": {"stream": ""}}}, "settings.kinesis.stream: name"),
        ({"settings": {"kinesis": {"region": ""}}}, "settings.kinesis.region: name"),
        (_engine(hosts=[]), "settings.elasticsearch.hosts: name"),
        ({"terminationGracePeriodSeconds": 25}, "25 is too short: set more than 25, which is"),
        ({"settings": {"consumer": {"shutdown_grace_milliseconds": 30_000}}}, "45 is too short: set more than 45"),
        ({"settings": {"consumer": {"shutdown_grace_milliseconds": 29_001}}}, "45 is too short: set more than 45"),
        ({"terminationGracePeriodSeconds": 20, "settings": {"consumer": None}}, "20 is too short: set more than 25"),
        ({"extraEnv": [{"name": "VPCFLOW_CONSUMER__SHUTDOWN_GRACE_MILLISECONDS", "value": "60000"}]}, "extraEnv"),
        ({"settings": {"consumer": {"worker_id": "one"}}}, "settings.consumer.worker_id: the chart sets it"),
        ({"settings": {"metrics": {"listen": "127.0.0.1:1"}}}, "settings.metrics.listen: the chart sets it"),
        (_engine(api_key="c2VjcmV0"), "settings.elasticsearch.api_key: a secret does not belong"),
        (_engine(password="hunter2"), "settings.elasticsearch.password: a secret does not belong"),
        ({"secrets": {"settings": {"elasticsearch.api_key": "k"}}}, "secrets.existingSecret: name the Secret"),
        ({"secrets": {"existingSecret": "s", "settings": {"kinesis.stream": "k"}}}, "kinesis.stream"),
        ({"autoscaling": {"enabled": True}}, "shards: autoscaling needs"),
        ({"autoscaling": {"enabled": True, "minReplicas": 5}, "shards": 4}, "5 is more than there are shards (4)"),
        ({"autoscaling": {"enabled": True, "provider": "keda"}, "shards": 4}, "autoscaling.keda.serverAddress: name"),
        (LETTERS, "persistence.enabled: dead letters of kind file need a volume"),
        ({"settings": {"deadletters": {"kind": ""}}}, "settings.deadletters.kind: say where"),
        ({"settings": {"deadletters": {"kind": "s3", "bucket": ""}}}, "settings.deadletters.bucket: name"),
        ({"settings": {"deadletters": {"kind": "sqs"}}}, "settings.deadletters.queue_url: name the URL"),
        ({"serviceAccount": {"roleArn": "vpcflow"}}, "roleArn"),
        ({"settings": {"bulk": {"max_bytes": {"a": 1}}}}, "settings.bulk.max_bytes: a table is no value"),
    ],
)
def test_wrong_values_are_refused(values: dict[str, Any], words: str, tmp_path: Path) -> None:
    command = ["template", "flows", str(CHART), "--kube-version", NEWEST]
    done = helm(command, merged(VALUES["least"], values), tmp_path)
    assert done.returncode != 0
    assert words in done.stderr
    assert "hunter2" not in done.stderr


def test_one_second_more_than_the_least_is_enough(tmp_path: Path) -> None:
    command = ["template", "flows", str(CHART), "--kube-version", NEWEST]
    done = helm(command, merged(VALUES["least"], {"terminationGracePeriodSeconds": 26}), tmp_path)
    assert done.returncode == 0, done.stderr


def test_an_older_kubernetes_is_refused(tmp_path: Path) -> None:
    done = helm(["template", "flows", str(CHART), "--kube-version", "1.26.0"], VALUES["least"], tmp_path)
    assert done.returncode != 0
    assert "requires kubeVersion: >=1.27" in done.stderr
