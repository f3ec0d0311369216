"""Items of an event on their way through one fan: each is settled once everything that it held is."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from forwarder.times import Times
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.errors import VpcFlowError
from vpcflow.forwarding.messages import OpenFan
from vpcflow.forwarding.work import NO_TIME, UNSETTLED
from vpcflow.pipeline.pipeline import Record
from vpcflow.pipeline.positions import Position

__all__ = ["Batch"]


class Batch:
    """Used by one thread. `give` or `keep` each item, `settle` once, then ask `problem` of each."""

    def __init__(self, fan: OpenFan, times: Times) -> None:
        """Begin with nothing."""
        self._fan = fan
        self._times = times
        self._sent: dict[int, list[Position]] = {}  # of items that were given whole
        self._open: AbstractSet[Position] | None = None
        self.trouble: VpcFlowError | None = None

    def give(self, item: int, records: Iterable[Record]) -> None:
        """Send all that an item holds, unless time is up or an output has said that it takes nothing more.

        Raises nothing that an output says: it is kept as `trouble`.
        """
        if self.trouble is not None or self._times.is_over():
            return
        positions = []
        try:
            for record in records:
                positions.append(record.position)
                self._fan.submit(record)
        except VpcFlowError as error:
            self.trouble = error
            return
        self._sent[item] = positions

    def keep(self, item: int, letter: DeadLetter) -> None:
        """Keep an item as a dead letter: it is settled once that is durable."""
        if self.trouble is not None or self._times.is_over():
            return
        try:
            self._fan.keep(letter)
        except VpcFlowError as error:
            self.trouble = error
            return
        self._sent[item] = []

    def pass_by(self, item: int) -> None:
        """Settle an item that holds nothing."""
        self._sent[item] = []

    def settle(self) -> None:
        """Wait for what is on its way, as long as there is time for it."""
        try:
            self._fan.flush(self._times.settle_seconds)
        except VpcFlowError as error:
            self.trouble = self.trouble or error
        self._open = set(self._fan.open)

    def problem(self, item: int) -> str:
        """Return why an item is not settled; '' if it is. Only what is known to be settled is."""
        if item not in self._sent:
            return str(self.trouble or NO_TIME)
        if self._open is None or any(position in self._open for position in self._sent[item]):
            return str(self.trouble or UNSETTLED)
        return ""

    def close(self) -> None:
        """Let the fan go."""
        self._fan.close()
