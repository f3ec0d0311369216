"""The target before the first write: its index template, and whether a data stream will be one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal, Protocol
from urllib.parse import quote

from vpcflow.errors import SinkRefused, SinkUnavailable
from vpcflow.logs import get_logger
from vpcflow.sink.response import request_error
from vpcflow.types import Answered

__all__ = ["Change", "check_data_stream", "no_such_api", "put_template"]

log = get_logger(__name__)

Change = Literal["created", "updated", "unchanged"]

_OK = range(200, 300)
_NOT_FOUND = 404
_NOT_ALLOWED = {401, 403}
_NO_SUCH_API = {405, 410}
_DATES = {"created_date", "created_date_millis", "modified_date", "modified_date_millis"}


class Asks(Protocol):
    """The part of the engine that is used here."""

    where: str

    def request(self, method: str, path: str, body: object = None) -> Answered:
        """Ask; any status is returned."""
        ...

    def ask(self, method: str, path: str, body: object = None) -> Mapping[str, object]:
        """Ask; anything but success is raised."""
        ...


def put_template(engine: Asks, name: str, body: Mapping[str, object]) -> Change:
    """Put an index template, over whatever is there under its name, and say what that changed.

    Compared are the engine's own renderings before and after: it stores another spelling than it was given.
    """
    path = f"/_index_template/{quote(name, safe='')}"
    before = _stored(engine, path)
    engine.ask("PUT", path, body)
    if before is None:
        return "created"
    return "unchanged" if _stored(engine, path) == before else "updated"


def check_data_stream(engine: Asks, target: str) -> None:
    """Make sure that writing to `target` reaches a data stream, one that is there or one that a template makes.

    Without a template, the first write would make a plain index, with guessed field types. A key that may not look at
    templates, or a service that does not show them, is no error: the engine itself is asked again with
    `require_data_stream` at each write.

    Raises:
        SinkRefused: a plain index or alias has the name, or no template makes a data stream of it (exit 78).
        SinkUnavailable: no answer.
    """
    reply = engine.request("GET", f"/{quote(target, safe='')}?filter_path=*.data_stream")
    if reply.status in _OK:
        if not isinstance(reply.body, Mapping):
            raise _nonsense(engine, f"about {target}")
        if not reply.body:  # there, but none of its indices belongs to a data stream
            raise SinkRefused(
                f"{engine.where}: {target} is a plain index or an alias of such, not a data stream; delete or rename it, "
                "choose another index.name, or set index.mode to pattern"
            )
        return
    if reply.status == _NOT_FOUND and not no_such_api(reply):
        reply = engine.request("GET", "/_index_template")
        if reply.status in _OK:
            _check_template(engine, target, reply.body)
            return
    if reply.status not in _NOT_ALLOWED and not no_such_api(reply):
        raise request_error(reply.status, reply.body, where=engine.where, asked=f"to look at {target}")
    fields = {"target": target, "status": reply.status}
    if reply.status in _NOT_ALLOWED:
        log.warning("target not checked: the credentials may not look at it", extra={"fields": fields})
    else:
        log.warning("target not checked: this service has no API for it", extra={"fields": fields})


def no_such_api(reply: Answered) -> bool:
    """Return whether a service leaves out what was asked: Elasticsearch Serverless does so with much that looks at nodes.

    It answers 410 (404 in its early days) with `api_not_available_exception`, or says so in a bare text:
    https://www.elastic.co/docs/deploy-manage/deploy/elastic-cloud/differences-from-other-elasticsearch-offerings
    """
    if reply.status in _NO_SUCH_API:
        return True
    error = reply.body.get("error") if isinstance(reply.body, Mapping) else None
    return reply.status not in _OK and "not available when running in serverless mode" in str(error)


def _check_template(engine: Asks, target: str, body: object) -> None:
    winner: Mapping[str, object] | None = None
    for template in _templates(engine, body):
        if any(fnmatchcase(target, pattern) for pattern in _patterns(template)) and (
            winner is None or _priority(template) > _priority(winner)
        ):
            winner = template
    if winner is None or "data_stream" not in winner:
        raise SinkRefused(
            f"{engine.where}: no index template makes a data stream of {target}; run `vpcflow setup --template`"
        )


def _patterns(template: Mapping[str, object]) -> Sequence[str]:
    patterns = template.get("index_patterns")
    return [patterns] if isinstance(patterns, str) else list(patterns) if isinstance(patterns, Sequence) else []


def _priority(template: Mapping[str, object]) -> int:
    priority = template.get("priority")
    return priority if isinstance(priority, int) else 0


def _stored(engine: Asks, path: str) -> Mapping[str, object] | None:
    reply = engine.request("GET", path)
    if reply.status == _NOT_FOUND:
        return None
    if reply.status not in _OK:
        raise request_error(reply.status, reply.body, where=engine.where, asked=f"GET {path}")
    template = next(_templates(engine, reply.body), None)
    if template is None:
        raise _nonsense(engine, f"to GET {path}")
    return {key: value for key, value in template.items() if key not in _DATES}


def _templates(engine: Asks, body: object) -> Iterator[Mapping[str, object]]:
    """Yield the templates of an answer. Raises SinkUnavailable where it is none: a proxy's page, a cut-off body."""
    found = body.get("index_templates") if isinstance(body, Mapping) else None
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise _nonsense(engine, "about index templates")
    for entry in found:
        template = entry.get("index_template") if isinstance(entry, Mapping) else None
        if not isinstance(template, Mapping):
            raise _nonsense(engine, "about index templates")
        yield template


def _nonsense(engine: Asks, what: str) -> SinkUnavailable:
    return SinkUnavailable(f"{engine.where}: the answer {what} is none of a search engine; is something between us?")
