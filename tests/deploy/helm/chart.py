"""The chart, rendered by the real helm."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.tools import needed

__all__ = ["CHART", "NEWEST", "OLDEST", "VALUES", "Rendered", "helm", "merged", "rendered"]

CHART = Path(__file__).resolve().parents[3] / "deploy" / "helm" / "vpcflow-consumer"
OLDEST, NEWEST = "1.27.0", "1.37.0"
Values = dict[str, Any]

_LEAST: Values = {
    "image": {"repository": "registry.example.com/vpcflow-consumer"},
    "settings": {
        "kinesis": {"stream": "flow-logs", "region": "eu-central-1"},
        "elasticsearch": {"hosts": ["https://search.example.com:9200"]},
        "deadletters": {"kind": "s3", "bucket": "letters"},
    },
}
_OWN_ROLE = {"serviceAccount": {"roleArn": "arn:aws:iam::123456789012:role/vpcflow-consumer"}}


def merged(*layers: Values) -> Values:
    """Return values as helm merges those of several files: the later ones win, maps key by key."""
    whole: Values = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(whole.get(key), dict)
            whole[key] = merged(whole[key], value) if both else copy.deepcopy(value)
    return whole


VALUES: dict[str, Values] = {
    "least": _LEAST,
    "role": merged(_LEAST, _OWN_ROLE, {"replicaCount": 3, "shards": 2, "workerIdPrefix": "blue-"}),
    "pod-identity": merged(_LEAST, {"serviceAccount": {"create": False, "name": "theirs"}}),
    "hpa": merged(
        _LEAST, {"shards": 8, "autoscaling": {"enabled": True}, "metrics": {"podMonitor": {"enabled": True}}}
    ),
    "keda": merged(
        _LEAST,
        {
            "shards": 4,
            "autoscaling": {"enabled": True, "provider": "keda", "keda": {"serverAddress": "http://prometheus:9090"}},
        },
    ),
    "files": merged(
        _LEAST,
        {
            "persistence": {"enabled": True, "storageClass": "gp3"},
            "settings": {"deadletters": {"kind": "file", "bucket": None}},
        },
    ),
    "everything": merged(
        _LEAST,
        _OWN_ROLE,
        {
            "fullnameOverride": "flows",
            "image": {"digest": "sha256:" + "a" * 64},
            "imagePullSecrets": [{"name": "registry"}],
            "settings": {
                "codec": {"formats": [{"format": '${version} "<&>" ${account-id}', "log_group": "/aws/*"}]},
                "bulk": {"max_bytes": 8_000_000, "max_age_seconds": 0.5},
                "document": {"event_original": True, "tags": ["a b", 'c"d']},
                "elasticsearch": {"ca_certs": "/etc/vpcflow/secrets/ca.crt", "password": None},
                "consumer": {"shutdown_grace_milliseconds": 20_500},
                "metrics": {"log_seconds": 30},
            },
            "terminationGracePeriodSeconds": 60,
            "secrets": {"existingSecret": "engine", "settings": {"elasticsearch.api_key": "api-key"}},
            "metrics": {"port": 9500},
            "networkPolicy": {
                "enabled": True,
                "ingressFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
                "egressTo": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
            },
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}},
            "podAnnotations": {"team": "network"},
            "podLabels": {"team": "network"},
            "priorityClassName": "high",
            "nodeSelector": {"kubernetes.io/arch": "arm64"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "affinity": {"podAntiAffinity": {}},
            "extraEnv": [{"name": "VPCFLOW_LOGS__LEVEL", "value": "debug"}],
            "extraVolumes": [{"name": "labels", "configMap": {"name": "labels"}}],
            "extraVolumeMounts": [{"name": "labels", "mountPath": "/etc/vpcflow/labels"}],
        },
    ),
}


class Rendered:
    """The manifests of one set of values."""

    def __init__(self, text: str) -> None:
        self.manifests: list[dict[str, Any]] = [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]

    def of(self, kind: str) -> dict[str, Any]:
        """Return the only manifest of a kind."""
        (found,) = (each for each in self.manifests if each["kind"] == kind)
        return found

    def has(self, kind: str) -> bool:
        return any(each["kind"] == kind for each in self.manifests)

    @property
    def pod(self) -> dict[str, Any]:
        found: dict[str, Any] = self.of("StatefulSet")["spec"]["template"]
        return found

    @property
    def container(self) -> dict[str, Any]:
        (found,) = self.pod["spec"]["containers"]
        return dict(found)

    @property
    def settings(self) -> str:
        return str(self.of("ConfigMap")["data"]["vpcflow.toml"])

    @property
    def environ(self) -> dict[str, str]:
        """Return the container's variables as the kubelet expands them."""
        found = {"POD_NAME": "flows-0"}
        for each in self.container["env"]:
            if "value" in each:
                found[each["name"]] = each["value"].replace("$(POD_NAME)", "flows-0")
        return found


def helm(command: list[str], values: Values, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run helm without anything of this machine's own set-up."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    environ = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [needed("helm"), *command, "--values", file],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


_TEXTS: dict[str, str] = {}


def rendered(values: Values, folder: Path, version: str = NEWEST) -> Rendered:
    """Render, or fail with what helm says. The same values are rendered once."""
    key = json.dumps([values, version])
    if key not in _TEXTS:
        command = ["template", "flows", str(CHART), "--namespace", "logs", "--kube-version", version]
        done = helm(command, values, folder)
        assert done.returncode == 0, done.stderr
        _TEXTS[key] = done.stdout
    return Rendered(_TEXTS[key])
