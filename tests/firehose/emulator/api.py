"""The two calls that a function makes to put records back, for boto3: Firehose's PutRecordBatch, Kinesis's PutRecords.

AWS's JSON 1.1 protocol on loopback; name the server's `url` in AWS_ENDPOINT_URL_FIREHOSE and AWS_ENDPOINT_URL_KINESIS.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.firehose.emulator.limits import Refused
from tests.firehose.emulator.stream import DeliveryStream


class Api(ThreadingHTTPServer):
    """Serves one delivery stream and the Kinesis stream that is its source. `calls`: targets, in order."""

    daemon_threads = True

    def __init__(self, stream: DeliveryStream) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.stream = stream
        self.calls: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def serving(stream: DeliveryStream) -> Iterator[Api]:
    """Serve a stream while the block runs."""
    server = Api(stream)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Api

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.server.calls.append(target)
        try:
            self._answer(200, self._called(target, body))
        except Refused as error:
            self._answer(400, {"__type": error.code, "message": str(error)})

    def _called(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        stream = self.server.stream
        match target:
            case "PutRecordBatch":
                if body["DeliveryStreamName"] != stream.name:
                    raise Refused("ResourceNotFoundException", f"no stream {body['DeliveryStreamName']}")
                return stream.put_record_batch([base64.b64decode(row["Data"]) for row in body["Records"]])
            case "PutRecords":
                if stream.source_arn not in (body.get("StreamARN"), self._arn_of(body)):
                    raise Refused("ResourceNotFoundException", "no such stream")
                return stream.put_records(
                    [(base64.b64decode(row["Data"]), row["PartitionKey"]) for row in body["Records"]]
                )
            case _:
                raise Refused("UnknownOperationException", target)

    def _arn_of(self, body: dict[str, Any]) -> str:
        return self.server.stream.source_arn.rpartition("/")[0] + "/" + str(body.get("StreamName", ""))

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
