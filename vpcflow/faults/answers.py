"""Faults of the answer: another status, nonsense, the wrong items, or the same thing twice."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from vpcflow.faults.bulk import answered, packed
from vpcflow.faults.exchange import Exchange
from vpcflow.faults.messages import Headers, Response
from vpcflow.faults.rules import Rule

__all__ = ["AnswerTwice", "Garbage", "Html", "Status", "Watch", "WrongCount", "WrongOperation"]

_HTML = b"<html><head><title>Please wait</title></head><body><h1>Please wait</h1></body></html>\n"
_ERRORS = range(400, 600)


class Status(Rule, tag="status", frozen=True, kw_only=True):
    """Answer with this status; the server sees nothing of the request. Redirects take a `Location` in `answer_headers`."""

    code: int
    body: str = ""
    answer_headers: Mapping[str, str] = {}

    def run(self, exchange: Exchange) -> None:
        """Answer."""
        exchange.note(status=self.code)
        given = {name.lower() for name in self.answer_headers}
        kind: Headers = () if "content-type" in given else (("Content-Type", "application/json"),)
        headers = (*self.answer_headers.items(), *kind)
        exchange.reply(Response(status=self.code, headers=headers, body=self.body.encode()))


class Garbage(Rule, tag="garbage", frozen=True, kw_only=True):
    """Let the server apply the request (unless `forward = false`), answer 200 with random bytes that call themselves JSON."""

    forward: bool = True

    def run(self, exchange: Exchange) -> None:
        """Answer with bytes that no JSON begins with."""
        _instead(self.forward, exchange, "application/json", b"\x80" + exchange.random.randbytes(200))


class Html(Rule, tag="html", frozen=True, kw_only=True):
    """Let the server apply the request (unless `forward = false`), answer 200 with a page, as a proxy before it does."""

    forward: bool = True

    def run(self, exchange: Exchange) -> None:
        """Answer with the page."""
        _instead(self.forward, exchange, "text/html; charset=utf-8", _HTML)


class AnswerTwice(Rule, tag="answer_twice", frozen=True, kw_only=True):
    """Send the answer again after so many seconds: nobody must take it for that of the connection's next request.

    0: both in one piece.
    """

    seconds: float = 0.0

    def run(self, exchange: Exchange) -> None:
        """Forward, answer, answer."""
        response = exchange.forward()
        exchange.note(applied_status=response.status)
        answer = response.head() + response.body
        if self.seconds:
            exchange.send(answer)
            exchange.clock.sleep(self.seconds)
            exchange.send(answer)
        else:
            exchange.send(answer * 2)


class WrongCount(Rule, tag="wrong_count", frozen=True, kw_only=True):
    """Let the server apply the request, answer with more items (`change` > 0, the last one again) or fewer (< 0)."""

    change: int

    def run(self, exchange: Exchange) -> None:
        """Forward, change the answer."""

        def change(items: list[Any]) -> list[Any]:
            return items + items[-1:] * self.change if self.change > 0 else items[: max(0, len(items) + self.change)]

        _changed(exchange, change, changed_by=self.change)


class WrongOperation(Rule, tag="wrong_operation", frozen=True, kw_only=True):
    """Let the server apply the request, name another operation in each item of its answer."""

    operation: str = "update"

    def run(self, exchange: Exchange) -> None:
        """Forward, change the answer."""
        _changed(
            exchange,
            lambda items: [dict.fromkeys([self.operation], *item.values()) for item in items],
            operation=self.operation,
        )


class Watch(Rule, tag="watch", frozen=True, kw_only=True):
    """Change nothing; note what the server itself refuses, by status and `error.type`."""

    def run(self, exchange: Exchange) -> None:
        """Forward; note errors only."""
        response = exchange.forward()
        errors = _errors(response)
        if errors:
            exchange.note(status=response.status, errors=errors)
        exchange.reply(response)


def _instead(forward: bool, exchange: Exchange, kind: str, body: bytes) -> None:  # noqa: FBT001
    applied = exchange.forward().status if forward else None
    exchange.note(applied_status=applied, content_type=kind)
    exchange.reply(Response(status=200, headers=(("Content-Type", kind),), body=body))


def _changed(exchange: Exchange, change: Any, **what: object) -> None:  # noqa: ANN401 - items of JSON to such
    response = exchange.forward()
    body = answered(response)
    if body is not None:
        exchange.note(applied_status=response.status, items=len(body["items"]), **what)
        body["items"] = change(body["items"])
        response = dataclasses.replace(response, body=packed(response, json.dumps(body).encode()))
    exchange.reply(response)


def _errors(response: Response) -> dict[str, int]:
    """Return how often each kind of error is in an answer; a conflict is none, it says that the document is there."""
    counts: dict[str, int] = {}
    body = answered(response)
    if body is not None:
        found = [result for item in body["items"] for result in item.values() if result.get("status") in _ERRORS]
    elif response.status in _ERRORS:
        found = [{"status": response.status, "error": _error_of(response)}]
    else:
        found = []
    for result in found:
        error = result.get("error")
        kind = error.get("type") if isinstance(error, dict) else ""
        name = f"{result['status']} {kind or ''}".strip()
        counts[name] = counts.get(name, 0) + 1
    counts.pop("409 version_conflict_engine_exception", None)
    return counts


def _error_of(response: Response) -> object:
    try:
        body = json.loads(response.body)
    except ValueError:
        return None
    return body.get("error") if isinstance(body, dict) else None
