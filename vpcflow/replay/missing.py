"""Delivers to a data stream only what it does not have, whichever of its backing indices has it."""

from __future__ import annotations

import orjson

from vpcflow.replay.replayer import Delivers, KnowsIds
from vpcflow.types import Answer, Bulk, ItemError, Outcome

__all__ = ["OnlyMissing"]


class OnlyMissing:
    """Asks for the ids of a bulk before it is sent. What is there is a duplicate; several threads may call it."""

    def __init__(self, delivery: Delivers, existing: KnowsIds) -> None:
        """Keep the parts."""
        self._delivery = delivery
        self._existing = existing

    def deliver(self, bulk: Bulk) -> Answer:
        """Return one outcome per action, in order. Raises as its parts do."""
        items = bulk.items()
        names = [_id_of(item) for item in items]
        there = self._existing.among([name for name in names if name])
        missing = [at for at, name in enumerate(names) if name not in there]
        outcomes = [Outcome.DUPLICATE] * bulk.count
        errors: dict[int, ItemError] = {}
        if not missing:
            return Answer(outcomes=outcomes)
        sent = bulk if len(missing) == bulk.count else Bulk(b"".join([items[at] for at in missing]), len(missing))
        answer = self._delivery.deliver(sent)
        for index, (at, outcome) in enumerate(zip(missing, answer.outcomes, strict=True)):
            outcomes[at] = outcome
            if index in answer.errors:
                errors[at] = answer.errors[index]
        return Answer(outcomes=outcomes, errors=errors, wire_bytes=answer.wire_bytes)


def _id_of(item: bytes) -> str:
    action = orjson.loads(item[: item.index(b"\n")])
    return str(next(iter(action.values())).get("_id", ""))
