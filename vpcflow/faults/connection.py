"""Faults of the connection: late, cut off, slow."""

from __future__ import annotations

from vpcflow.faults.exchange import Exchange
from vpcflow.faults.rules import Rule

__all__ = ["Delay", "Drip", "ResetAfter", "ResetBefore", "ResetMid", "Truncate"]


class Delay(Rule, tag="delay", frozen=True, kw_only=True):
    """Pass the request on after so many seconds, even if the client has gone by then: it is applied late."""

    seconds: float

    def run(self, exchange: Exchange) -> None:
        """Wait, then pass it on; a second line says what the server answered."""
        exchange.note(seconds=self.seconds)
        exchange.clock.sleep(self.seconds)
        response = exchange.forward()
        exchange.note(ended=True, applied_status=response.status)
        exchange.reply(response)


class ResetBefore(Rule, tag="reset_before", frozen=True, kw_only=True):
    """Reset the connection; the server sees nothing of the request."""

    def run(self, exchange: Exchange) -> None:
        """Reset."""
        exchange.note()
        exchange.reset()


class ResetMid(Rule, tag="reset_mid", frozen=True, kw_only=True):
    """Send half of the body to the server, then reset both connections."""

    def run(self, exchange: Exchange) -> None:
        """Send half, reset."""
        exchange.note(sent_bytes=exchange.forward_half(), of_bytes=len(exchange.request.body))
        exchange.reset()


class ResetAfter(Rule, tag="reset_after", frozen=True, kw_only=True):
    """Let the server apply the request, drop its answer, reset the client's connection."""

    def run(self, exchange: Exchange) -> None:
        """Forward, reset."""
        exchange.note(applied_status=exchange.forward().status)
        exchange.reset()


class Truncate(Rule, tag="truncate", frozen=True, kw_only=True):
    """Send only a part of the answer's body, then close; the head promises all of it."""

    part: float = 0.5

    def run(self, exchange: Exchange) -> None:
        """Forward, cut the answer."""
        response = exchange.forward()
        kept = int(len(response.body) * self.part)
        exchange.note(applied_status=response.status, sent_bytes=kept, of_bytes=len(response.body))
        exchange.send(response.head() + response.body[:kept])
        exchange.close()


class Drip(Rule, tag="drip", frozen=True, kw_only=True):
    """Send the answer's body so many bytes at a time, a pause of so many seconds before each."""

    seconds: float
    bytes: int = 1

    def __post_init__(self) -> None:
        """Check the piece's size too."""
        Rule.__post_init__(self)
        if self.bytes < 1:
            raise ValueError("bytes: at least 1")

    def run(self, exchange: Exchange) -> None:
        """Forward, drip the answer; a second line says how far it got."""
        response = exchange.forward()
        exchange.note(applied_status=response.status, seconds=self.seconds, of_bytes=len(response.body))
        exchange.send(response.head())
        sent = 0
        while exchange.alive and sent < len(response.body):
            exchange.clock.sleep(self.seconds)
            exchange.send(response.body[sent : sent + self.bytes])
            sent += self.bytes
        exchange.note(ended=True, sent_bytes=min(sent, len(response.body)), client_gone=not exchange.alive)
