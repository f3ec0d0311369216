"""The forwarder behind a queue with the numbers of the templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.eventsources.emulator.actors import Times
from tests.eventsources.emulator.api import SqsApi, serving
from tests.eventsources.emulator.function import in_process
from tests.eventsources.emulator.queue import Queue, Redrive
from tests.eventsources.emulator.sqs import SqsMapping
from tests.eventsources.flows import our_handler
from tests.eventsources.numbers import QUEUE_BATCH, QUEUE_RETENTION, QUEUE_TIMEOUT, RECEIVES, VISIBILITY
from tests.eventsources.scene import Handler, clock
from vpcflow.clock import FakeClock


@dataclass
class Queued:
    """A queue, its dead-letter queue, its mapping, and SQS as the function reaches it."""

    clock: FakeClock
    queue: Queue
    dead: Queue
    mapping: SqsMapping
    times: Times
    sqs: SqsApi

    def send(self, *bodies: str) -> list[str]:
        """Send messages; return their ids. In a FIFO queue they are of one group."""
        number = len(self.queue) + len(self.queue.deleted)
        return [
            self.queue.send(body, group="flows", deduplication=f"{number + place}").id
            for place, body in enumerate(bodies)
        ]

    def is_clean(self) -> bool:
        """Return whether nothing waits and nothing was given up."""
        return (len(self.queue), len(self.dead), self.queue.expired) == (0, 0, [])


@contextmanager
def queued(
    environ: Mapping[str, str],
    *,
    fifo: bool = False,
    receives: int = RECEIVES,
    time: FakeClock | None = None,
    wrapped: Any = lambda handler: handler,  # noqa: ANN401
    **options: Any,  # noqa: ANN401 - of our_handler
) -> Iterator[Queued]:
    """Give it while the block runs. wrapped: what is done to our handler."""
    time = time or clock()
    end = ".fifo" if fifo else ""
    dead = Queue(f"dead{end}", time, retention=QUEUE_RETENTION)
    queue = Queue(
        f"objects{end}", time, visibility=VISIBILITY, retention=QUEUE_RETENTION, redrive=Redrive(dead, receives)
    )
    with serving(queue) as sqs:
        variables = {**environ, "VPCFLOW_FORWARDER__SQS_ENDPOINT": sqs.url}
        handler: Handler = wrapped(our_handler(time, variables, **options))
        mapping = SqsMapping(queue, in_process(handler, time, timeout=QUEUE_TIMEOUT), batch_size=QUEUE_BATCH)
        yield Queued(time, queue, dead, mapping, Times(time, mapping), sqs)
