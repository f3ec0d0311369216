"""SQS as a function reaches it, for boto3: the queues of a test over HTTP, on its simulated clock.

AWS's JSON 1.0 protocol on loopback: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.eventsources.emulator.limits import Refused
from tests.eventsources.emulator.queue import ACCOUNT, Queue


class SqsApi(ThreadingHTTPServer):
    """`hook`: told of each step of SendMessage: "before", "after"; what it raises cuts the connection."""

    daemon_threads = True

    def __init__(self, *queues: Queue) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.queues = {queue.name: queue for queue in queues}
        self.calls: list[str] = []
        self.hook: Callable[[str], None] = lambda _step: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def queue_url(self, queue: Queue) -> str:
        return f"{self.url}/{ACCOUNT}/{queue.name}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: connections are cut on purpose."""


@contextmanager
def serving(*queues: Queue) -> Iterator[SqsApi]:
    """Serve queues while the block runs."""
    with SqsApi(*queues) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: SqsApi

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        target = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        self.server.calls.append(target)
        try:
            self._answer(200, self._called(target, body))
        except Refused as error:
            self._answer(400, {"__type": f"com.amazonaws.sqs#{error.code}", "message": str(error)})
        except ConnectionError:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _called(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        queue = self.server.queues.get(str(body["QueueUrl"]).rpartition("/")[2])
        if queue is None:
            raise Refused("QueueDoesNotExist", f"no queue {body['QueueUrl']}")
        if target != "SendMessage":
            raise Refused("UnsupportedOperation", target)
        self.server.hook("before")
        message = queue.send(
            body["MessageBody"],
            group=body.get("MessageGroupId", ""),
            deduplication=body.get("MessageDeduplicationId", ""),
        )
        self.server.hook("after")
        return {"MessageId": message.id, "MD5OfMessageBody": message.md5}

    def _answer(self, status: int, value: dict[str, Any]) -> None:
        text = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
