"""Faults of single items: those chosen never reach the server, and the answer holds something made at their place."""

from __future__ import annotations

import dataclasses
import json
import re
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from vpcflow.faults.bulk import answered, items_of, packed, with_items
from vpcflow.faults.exchange import Exchange
from vpcflow.faults.messages import Response
from vpcflow.faults.rules import Rule

__all__ = ["FailureStoreUsed", "ItemErrors"]


class ItemRule(Rule, frozen=True, kw_only=True):
    """Which items: all, unless one of these says otherwise.

    items: places in the request, from 0; negative ones from its end.
    share: such a part of them, drawn with the seed.
    containing: regular expression, found in the item's lines.
    """

    path: str = "/_bulk"
    items: Sequence[int] = ()
    share: float = 1.0
    containing: str = ""

    def __post_init__(self) -> None:
        """Check the expression too."""
        Rule.__post_init__(self)
        try:
            re.compile(self.containing)
        except re.error as error:
            raise ValueError(f"containing: not a regular expression: {error}") from None

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """Return what is said of an item that was kept back."""

    def run(self, exchange: Exchange) -> None:
        """Forward the others, put the answer together. What is no bulk, or has none that is chosen, passes untouched."""
        try:
            items = items_of(exchange.request)
        except ValueError:
            return exchange.reply(exchange.forward())
        places = {place % len(items) for place in self.items if -len(items) <= place < len(items)}
        kept_back = {
            place
            for place, item in enumerate(items)
            if (place in places or not self.items)
            and re.search(self.containing.encode(), item.lines)
            and exchange.random.random() < self.share
        }
        others = [item for place, item in enumerate(items) if place not in kept_back]
        if not kept_back:
            return exchange.reply(exchange.forward())
        response, body = _rest(exchange, with_items(exchange.request, others) if others else None)
        if body is None:  # the server refused the rest as a whole
            return exchange.reply(response)
        results = iter(body["items"])
        body["items"] = [
            {item.operation: self.result()} if place in kept_back else next(results, {})
            for place, item in enumerate(items)
        ]
        body["errors"] = body.get("errors") or "error" in self.result()
        exchange.note(items=sorted(kept_back), of_items=len(items), result=self.result())
        return exchange.reply(dataclasses.replace(response, body=packed(response, json.dumps(body).encode())))


class ItemErrors(ItemRule, tag="item_errors", frozen=True, kw_only=True):
    """Say of the chosen items that the server did not take them, e.g. `status = 403`, `type = "cluster_block_exception"`."""

    status: int
    type: str
    reason: str = "made by the fault proxy"

    def result(self) -> dict[str, Any]:
        """Return the error."""
        return {"status": self.status, "error": {"type": self.type, "reason": self.reason}}


class FailureStoreUsed(ItemRule, tag="failure_store_used", frozen=True, kw_only=True):
    """Say of the chosen items that the failure store of the data stream took them: a 201, but the document is not in it."""

    def result(self) -> dict[str, Any]:
        """Return the success that is none."""
        return {"status": 201, "failure_store": "used"}


def _rest(exchange: Exchange, body: bytes | None) -> tuple[Response, dict[str, Any] | None]:
    if body is None:
        headers = (("Content-Type", "application/json"),)
        return Response(status=200, headers=headers), {"errors": True, "items": []}
    response = exchange.forward(exchange.with_body(body))
    return response, answered(response)
