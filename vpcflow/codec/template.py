"""The index template, made of the field table: the type of every place that a document of ours can have.

https://www.elastic.co/docs/manage-data/data-store/templates and
https://docs.opensearch.org/latest/im-plugin/index-templates/. Plain `keyword` where Elastic's own template has
`constant_keyword`: OpenSearch wants a value there, and small Elasticsearch builds do not know the type.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from vpcflow.codec.fields import FIELDS, Form
from vpcflow.codec.options import CodecOptions

__all__ = ["index_template"]

_ES_TYPES = {Form.TRANSPORT: "keyword", Form.FLAGS: "keyword", Form.OUTCOME: "keyword", Form.TYPE: "keyword"}
_OTHERS = {
    "@timestamp": "date",
    "aws.cloudwatch.log_group": "keyword",
    "aws.cloudwatch.log_stream": "keyword",
    "aws.firehose.arn": "keyword",
    "aws.firehose.request_id": "keyword",
    "aws.kinesis.name": "keyword",
    "aws.kinesis.type": "keyword",
    "aws.s3.bucket.name": "keyword",
    "aws.s3.object.key": "keyword",
    "cloud.provider": "keyword",
    "data_stream.dataset": "keyword",
    "data_stream.namespace": "keyword",
    "data_stream.type": "keyword",
    "ecs.version": "keyword",
    "event.category": "keyword",
    "event.id": "keyword",
    "event.kind": "keyword",
    "event.type": "keyword",
    "labels.destination": "keyword",
    "labels.interface": "keyword",
    "labels.source": "keyword",
    "log.file.path": "keyword",
    "log.offset": "long",
    "network.community_id": "keyword",
    "network.type": "keyword",
    "related.ip": "ip",
    "tags": "keyword",
}
_TEXTS = {"message": "text", "event.original": "text"}
# Above Elastic's own templates for logs-*-* (100), below what users write for themselves (500 by convention). Two templates
# whose patterns overlap need different priorities, and `logs-aws.vpcflow-*` overlaps with the data stream's name.
_PRIORITY = {"data_stream": 250, "pattern": 240}
_LONGEST_KEYWORD = 1024


def _types() -> dict[str, str]:
    found = dict(_OTHERS)
    for field in FIELDS:
        for target in field.places:
            found[target.path] = _ES_TYPES.get(target.form, target.form.value)
    return found


def _properties() -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, kind in sorted({**_types(), **_TEXTS}.items()):
        *parents, last = path.split(".")
        node = tree
        for name in parents:
            node = node.setdefault(name, {"properties": {}})["properties"]
        node[last] = {"type": kind}
        if kind == "keyword":
            node[last]["ignore_above"] = _LONGEST_KEYWORD
    return tree


def index_template(
    product: Literal["elasticsearch", "opensearch"], options: CodecOptions
) -> tuple[str, dict[str, Any]]:
    """Return the template's name and body for the target of `options`.

    Unknown fields (from a header line) become keywords. OpenSearch gets no setting that only Elasticsearch knows.
    """
    pattern = re.sub(r"\{[^{}]*\}", "*", options.target)
    pattern = re.sub(r"\*[*.\-]*\*", "*", pattern)
    name = "vpcflow-" + re.sub(r"[^a-z0-9._-]+", "-", pattern.replace("*", "")).strip("-._")
    settings: dict[str, Any] = {"index": {"codec": "best_compression", "refresh_interval": "5s"}}
    if product == "elasticsearch":
        settings["index"]["mapping"] = {"ignore_malformed": False}
    body: dict[str, Any] = {
        "index_patterns": [pattern],
        "priority": _PRIORITY[options.index_mode],
        "template": {
            "settings": settings,
            "mappings": {
                "dynamic_templates": [
                    {
                        "strings_as_keyword": {
                            "match_mapping_type": "string",
                            "mapping": {"type": "keyword", "ignore_above": _LONGEST_KEYWORD},
                        }
                    }
                ],
                "properties": _properties(),
            },
        },
        "_meta": {"managed_by": "vpcflow-stream"},
    }
    if options.index_mode == "data_stream":
        body["data_stream"] = {}
    return name, body
