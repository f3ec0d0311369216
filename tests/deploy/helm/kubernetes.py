"""Kubernetes' own schemas, made strict: a field that a version does not know is a complaint."""

from __future__ import annotations

import json
import re
import zipfile
from functools import cache
from typing import Any

import jsonschema
from referencing import Registry, Resource

from tests.tools import needed

__all__ = ["CUSTOM", "complaints", "versions"]

_FOLDER = "kubernetes_validate/kubernetes-json-schema"
_FIELD: dict[str, Any] = {"type": "object", "additionalProperties": True}


def _fields(**properties: Any) -> dict[str, Any]:  # noqa: ANN401 - a schema
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(properties)}


# Custom resources have no schema in Kubernetes. These name the fields that their operators' documentation has and we use:
# a field that is added to a template has to be looked up and added here.
_TEXT, _COUNT = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 1}
CUSTOM: dict[tuple[str, str], dict[str, Any]] = {
    ("monitoring.coreos.com/v1", "PodMonitor"): _fields(
        selector=_FIELD,
        podMetricsEndpoints={"type": "array", "items": _fields(port=_TEXT, path=_TEXT, interval=_TEXT), "minItems": 1},
    ),
    ("keda.sh/v1alpha1", "ScaledObject"): _fields(
        scaleTargetRef=_fields(apiVersion=_TEXT, kind=_TEXT, name=_TEXT),
        pollingInterval=_COUNT,
        minReplicaCount=_COUNT,
        maxReplicaCount=_COUNT,
        advanced=_fields(horizontalPodAutoscalerConfig=_fields(behavior=_FIELD)),
        triggers={
            "type": "array",
            "minItems": 1,
            "items": _fields(
                type={"const": "prometheus"},
                metricType={"const": "AverageValue"},
                metadata=_fields(serverAddress=_TEXT, query=_TEXT, ignoreNullValues=_TEXT, threshold=_TEXT),
            ),
        },
    ),
}


def versions() -> list[str]:
    """Return the versions that there are schemas of, oldest first: `1.27`."""
    with zipfile.ZipFile(needed("kubernetes-schemas")) as wheel:
        found = {match[1] for name in wheel.namelist() if (match := re.search(r"/v(\d+\.\d+)\.0-local/", name))}
    return sorted(found, key=lambda version: tuple(map(int, version.split("."))))


def _strict(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema and "$ref" not in schema:
        made["additionalProperties"] = False
    return made


def _read(version: str, name: str) -> dict[str, Any]:
    with zipfile.ZipFile(needed("kubernetes-schemas")) as wheel:
        found: dict[str, Any] = _strict(json.loads(wheel.read(f"{_FOLDER}/v{version}.0-local/{name}.json")))
    return found


@cache
def _definitions(version: str) -> Registry[Any]:
    return (Resource.from_contents(_read(version, "_definitions")) @ Registry()).crawl()


@cache
def _schema(version: str, api_version: str, kind: str) -> dict[str, Any]:
    group, slash, rest = api_version.partition("/")
    name = f"{kind.lower()}-{group.partition('.')[0]}-{rest}" if slash else f"{kind.lower()}-{group}"
    return _read(version, name)


def complaints(manifest: dict[str, Any], version: str) -> list[str]:
    """Return what a version of Kubernetes would not take of a manifest."""
    kind = (manifest["apiVersion"], manifest["kind"])
    if kind in CUSTOM:
        schema = _fields(apiVersion=_TEXT, kind=_TEXT, metadata=_FIELD, spec=CUSTOM[kind])
        validator = jsonschema.Draft202012Validator(schema)
    else:
        schema = _schema(version, *kind)
        validator = jsonschema.Draft202012Validator(schema, registry=_definitions(version))
    found = [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(manifest)]
    return found + [f"{path}: is null" for path in _nulls(manifest, "")]


def _nulls(value: Any, path: str) -> list[str]:  # noqa: ANN401 - any part of a manifest
    """Return where nothing was written behind a key: the schemas allow it, and it is always a slip of a template."""
    if value is None:
        return [path]
    if isinstance(value, dict):
        return [slip for key, each in value.items() for slip in _nulls(each, f"{path}.{key}")]
    if isinstance(value, list):
        return [slip for number, each in enumerate(value) for slip in _nulls(each, f"{path}[{number}]")]
    return []
