"""The two calls that a function makes to put records back, for boto3: Firehose's PutRecordBatch, Kinesis's PutRecords.

AWS's JSON 1.1 protocol on loopback; name the server's `url` in AWS_ENDPOINT_URL_FIREHOSE and AWS_ENDPOINT_URL_KINESIS.
"""

from __future__ import annotations

import base64
import json
from contextlib import AbstractContextManager
from typing import Any

from tests.firehose.emulator.limits import Refused
from tests.firehose.emulator.stream import DeliveryStream
from tests.quiet_http import QuietRequests, QuietServer, running

_KIND = "application/x-amz-json-1.1"


class Api(QuietServer):
    """Serves one delivery stream and the Kinesis stream that is its source. `calls`: targets, in order."""

    def __init__(self, stream: DeliveryStream) -> None:
        super().__init__(_Requests)
        self.stream = stream
        self.calls: list[str] = []


def serving(stream: DeliveryStream) -> AbstractContextManager[Api]:
    """Serve a stream while the block runs."""
    return running(Api(stream))


class _Requests(QuietRequests):
    server: Api

    def do_POST(self) -> None:  # noqa: N802 - the name that the base class looks for
        body = json.loads(self.body())
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.server.calls.append(target)
        try:
            self.say(200, self._called(target, body), kind=_KIND)
        except Refused as error:
            self.say(400, {"__type": error.code, "message": str(error)}, kind=_KIND)

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
