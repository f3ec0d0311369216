"""A data stream in a running engine, and what is in it."""

from __future__ import annotations

from typing import Any

import urllib3

from tests.firehose.flows import heap, originals
from vpcflow import wiring
from vpcflow.generate.manifest import Manifest
from vpcflow.settings.load import load

_MOST = 10_000


class Target:
    """`environ`: settings of programs that write to it."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.index = url, f"logs-aws.vpcflow-{name}"
        self.environ = {
            "VPCFLOW_ELASTICSEARCH__HOSTS": url,
            "VPCFLOW_INDEX__NAME": self.index,
            "VPCFLOW_DOCUMENT__EVENT_ORIGINAL": "true",
            "VPCFLOW_LOGS__LEVEL": "error",
        }
        self._http = urllib3.PoolManager(retries=False, timeout=60)
        settings = load(None, self.environ).settings
        sink = wiring.sink(settings)
        try:
            sink.ensure_template(*wiring.template(settings, sink))
        finally:
            sink.close()

    def request(self, method: str, path: str, body: bytes | None = None, kind: str = "application/json") -> Any:  # noqa: ANN401 - JSON
        answer = self._http.request(method, f"{self.url}/{path}", body=body, headers={"Content-Type": kind})
        assert answer.status < 300, (answer.status, answer.data[:500])
        return answer.json()

    def documents(self) -> list[dict[str, Any]]:
        """Return all documents, or fail if there are more than the engine gives at once."""
        self.request("POST", f"{self.index}/_refresh")
        found = self.request("GET", f"{self.index}/_search?size={_MOST}&track_total_hits=true")
        assert found["hits"]["total"]["value"] <= _MOST
        return [hit["_source"] for hit in found["hits"]["hits"]]

    def prove(self, manifest: Manifest) -> None:
        """Fail unless each planted event is there, once."""
        lines = originals(self.documents())
        assert len(lines) == manifest.documents
        assert heap(lines) == manifest.fingerprint

    def close(self) -> None:
        """Remove the data stream, so that engines do not fill up; the template goes with all others of the session."""
        self._http.request("DELETE", f"{self.url}/_data_stream/{self.index}")
        self._http.clear()
