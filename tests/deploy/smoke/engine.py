"""A search engine in this process that can also add up, as far as a smoke run asks it to."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.eventsources.engine import HangUp, MemoryEngine, _Requests


class AddingEngine(MemoryEngine):
    """`templates`: by name. Its data stream takes the name that a run gives it."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = _AddingRequests
        self.templates: dict[str, Any] = {}


class _AddingRequests(_Requests):
    server: AddingEngine

    def _value(self, path: str, body: bytes) -> Any:  # noqa: ANN401 - JSON
        if self.server.away:
            raise HangUp
        kind, _, name = path.lstrip("/").partition("/")
        if self.command == "DELETE":
            return None if not self._delete(kind, name) else {"acknowledged": True}
        if kind == "_index_template":
            if self.command == "PUT":
                self.server.templates[name] = made = json.loads(body)
                (self.server.index,) = made["index_patterns"]
                return {"acknowledged": True}
            found = self.server.templates.get(name)
            return found and {"index_templates": [{"name": name, "index_template": found}]}
        if path.endswith("/_search"):
            return self._added(json.loads(body))
        if self.command == "HEAD":
            return {} if self.server.sink.documents else None
        return super()._value(path, body)

    def _delete(self, kind: str, name: str) -> bool:
        if kind == "_index_template":
            return self.server.templates.pop(name, None) is not None
        self.server.sink.documents.clear()
        return True

    def _added(self, query: dict[str, Any]) -> dict[str, Any]:
        ((field, wanted),) = query["query"]["term"].items()
        assert field == "aws.s3.bucket.name"
        mine = [
            one for one in self.server.documents() if one["aws"].get("s3", {}).get("bucket", {}).get("name") == wanted
        ]
        groups: dict[str, Counter[tuple[str, str]]] = {}
        for one in mine:
            flow = one["aws"]["vpcflow"]
            if "action" in flow:
                sums = groups.setdefault(flow["interface_id"], Counter())
                sums[flow["action"], "flows"] += 1
                sums[flow["action"], "packets"] += one["network"]["packets"]
                sums[flow["action"], "bytes"] += one["network"]["bytes"]
        interfaces = [{"key": name, "actions": {"buckets": list(_buckets(sums))}} for name, sums in groups.items()]
        empty: dict[str, Any] = {"buckets": []}
        return {
            "timed_out": False,
            "_shards": {"failed": 0},
            "hits": {"total": {"value": len(mine), "relation": "eq"}, "hits": []},
            "aggregations": {"interfaces": {"buckets": interfaces}, "rejected": {"ports": empty, "sources": empty}},
        }


def _buckets(sums: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "key": action,
            "doc_count": sums[action, "flows"],
            "packets": {"value": sums[action, "packets"]},
            "bytes": {"value": sums[action, "bytes"]},
        }
        for action in sorted({action for action, _ in sums})
    ]
