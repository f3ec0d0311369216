"""What an answer to `_bulk` means: a status and a body in, outcomes out. Pure.

Errors are classed by `error.type`, at request and at item level alike, because the status alone misleads: a write block can be
a 403 for the whole request, a missing privilege a 403 for one item of a 200, a failing processor a 500 for one document.

| what                                                                          | item       | whole request        |
|-------------------------------------------------------------------------------|------------|----------------------|
| `cluster_block_exception`, shard limits, 408, 429, 5xx, types of `_AGAIN`     | RETRYABLE  | SinkUnavailable (*)  |
| `security_exception`, other 401 and 403                                       | SinkRefused, exit 77              |
| missing or closed target, missing pipeline, wrong op type, other 3xx, 404, …  | SinkRefused, exit 78              |
| 409 `version_conflict_engine_exception`                                       | DUPLICATE  | -                    |
| what a pipeline raised about a document (types of `_DOCUMENT`, even as 500)   | REJECTED   | SinkRefused, exit 70 |
| any other 4xx: parsing, mapping                                               | REJECTED   | SinkRefused, exit 70 |
| 413                                                                           | REJECTED   | BodyTooLarge         |

(*) a 429: Overloaded, a SinkUnavailable that says so.

A single unknown 5xx is never held against the document; a storm of rejections is stopped by `vpcflow.pipeline`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import orjson

from vpcflow.errors import EX_CONFIG, EX_NOPERM, EX_SOFTWARE, SinkError, SinkRefused, SinkUnavailable
from vpcflow.sink.abstract import BodyTooLarge, Overloaded
from vpcflow.types import Answer, ItemError, Outcome

__all__ = ["FILTER_PATH", "item_error", "parse", "read_bulk", "request_error"]

FILTER_PATH = "errors,items.*.status,items.*.error,items.*.failure_store"

_HTTP_OK, _HTTP_REDIRECT, _HTTP_BAD, _HTTP_SERVER = 200, 300, 400, 500
_HTTP_CONFLICT, _HTTP_TOO_LARGE, _HTTP_OVERLOADED = 409, 413, 429
_NO_CREDENTIALS = {401, 403}
_BUSY = {408, 425, 429}
_WRONG_ADDRESS = {404, 405, 406, 410, 415}

_AGAIN = {
    "circuit_breaking_exception",
    "cluster_block_exception",
    "es_rejected_execution_exception",
    "rejected_execution_exception",
    "process_cluster_event_timeout_exception",
    "resource_already_exists_exception",  # two writers made the same index at once
    "timeout_exception",
    "unavailable_shards_exception",
}
_AGAIN_REASON = re.compile(r"shards? open|maximum .*shards|no available shards")
_DOCUMENT = {
    "document_parsing_exception",
    "fail_processor_exception",
    "ingest_pipeline_exception",
    "ingest_processor_exception",
    "mapper_parsing_exception",
    "script_exception",
}
_TARGET = {"index_not_found_exception", "index_closed_exception", "invalid_index_name_exception"}
_TARGET_REASON = re.compile(
    r"only write ops with an op_type of create"
    r"|pipeline with id \[.*\] does not exist"
    r"|no write index is defined for alias"
    r"|unrecognized parameter"
)
# Of Amazon OpenSearch Serverless: only its collections of type SEARCH take ids.
_NO_IDS = re.compile(r"Document ID is not supported")
_REASON_LENGTH = 1000


def parse(body: bytes) -> object:
    """Return the JSON value, or None where the bytes are none (a proxy's HTML, a cut-off answer)."""
    try:
        value: object = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value


def read_bulk(
    status: int, body: object, sent: int, *, where: str = "search engine", retry_after: float | None = None
) -> Answer:
    """Return one outcome for each of the `sent` actions, by position.

    Args:
        status: of the response.
        body: its parsed JSON, None where it was none.
        sent: how many actions the request had.
        where: names the engine and target in errors.
        retry_after: seconds that the server asked for.

    Raises:
        SinkUnavailable: nothing was decided, or the answer does not fit the request.
        SinkRefused: settings, credentials, or (exit 70) a request that the engine cannot read.
        BodyTooLarge: a smaller body may pass.
    """
    if not _HTTP_OK <= status < _HTTP_REDIRECT:
        raise request_error(status, body, where=where, retry_after=retry_after)
    items = body.get("items") if isinstance(body, Mapping) else None
    if not isinstance(items, Sequence) or isinstance(items, str) or len(items) != sent:
        got = len(items) if isinstance(items, list) else "no"
        raise SinkUnavailable(f"{where}: the answer holds {got} items for {sent} documents; they are sent again")
    outcomes: list[Outcome] = []
    errors: dict[int, ItemError] = {}
    for position, item in enumerate(items):
        outcome, error = _read_item(item, where)
        outcomes.append(outcome)
        if error is not None:
            errors[position] = error
    return Answer(outcomes=outcomes, errors=errors)


def request_error(
    status: int, body: object, *, where: str, retry_after: float | None = None, asked: str = ""
) -> SinkError:
    """Return the exception for a request that was answered with this status as a whole.

    `asked`: method and path of a request that people write (a template), whose refusal is not a fault of this program.
    """
    if status == _HTTP_TOO_LARGE:
        return BodyTooLarge(f"{where}: the body is too large (413)")
    if status < _HTTP_BAD:
        return _refused(where, f"answers {status}, a redirect", "give the final URL in elasticsearch.hosts")
    known = body if isinstance(body, Mapping) else {}  # services before the engine say `message`
    error = item_error(status, known.get("error") or known.get("message") or known.get("Message"))
    decision = _decide(error, where)
    if isinstance(decision, SinkRefused):
        return decision
    if decision is Outcome.REJECTED and asked:
        return _refused(where, f"refuses {asked}: {_words(error)}", "correct it, or ask for something else")
    if decision is Outcome.REJECTED:
        hint = "a fault of this program, or of something between it and the engine; please report it"
        return _refused(where, f"cannot read the request: {_words(error)}", hint, EX_SOFTWARE)
    kind = Overloaded if status == _HTTP_OVERLOADED else SinkUnavailable
    return kind(f"{where}: {_words(error)}", retry_after=retry_after)


def item_error(status: int, error: object) -> ItemError:
    """Return the engine's own words, its chain of causes in one line."""
    if not isinstance(error, Mapping):
        return ItemError(status=status, type="", reason=_one_line(error) if isinstance(error, str) else "")
    reasons: list[str] = []
    cause: object = error
    while isinstance(cause, Mapping):
        reason = _one_line(cause.get("reason") or "")
        if reason and not any(reason in earlier for earlier in reasons):
            reasons.append(reason)
        cause = cause.get("caused_by")
    return ItemError(status=status, type=str(error.get("type") or ""), reason=": ".join(reasons)[:_REASON_LENGTH])


def _read_item(item: object, where: str) -> tuple[Outcome, ItemError | None]:
    operation, result = next(iter(item.items())) if isinstance(item, Mapping) and len(item) == 1 else ("", None)
    status = result.get("status") if isinstance(result, Mapping) else None
    if operation != "create" or not isinstance(result, Mapping) or not isinstance(status, int):
        raise SinkUnavailable(f"{where}: the answer holds an item that is none of ours; the documents are sent again")
    raw = result.get("error")
    if raw is None and _HTTP_OK <= status < _HTTP_REDIRECT:
        return (Outcome.DIVERTED if result.get("failure_store") == "used" else Outcome.CREATED), None
    error = item_error(status, raw)
    decision = _decide(error, where)
    if isinstance(decision, SinkRefused):
        raise decision
    return decision, error


def _decide(error: ItemError, where: str) -> Outcome | SinkRefused:
    """Return an outcome, or the exception that stops everything. The order matters: type before status."""
    status, kind = error.status, error.type
    if kind in _AGAIN:
        return Outcome.RETRYABLE
    if kind in _DOCUMENT:  # before any look at the reason, which quotes the document
        return Outcome.REJECTED
    if status < _HTTP_SERVER and _AGAIN_REASON.search(error.reason):
        return Outcome.RETRYABLE
    refusal = _refusal(error, where)
    if refusal is not None:
        return refusal
    if status == _HTTP_CONFLICT and kind == "version_conflict_engine_exception":
        return Outcome.DUPLICATE
    passing = status in _BUSY or status >= _HTTP_SERVER or status < _HTTP_BAD
    return Outcome.RETRYABLE if passing else Outcome.REJECTED


def _refusal(error: ItemError, where: str) -> SinkRefused | None:
    """Return what would be refused again whatever the document is."""
    if error.type == "security_exception" or error.status in _NO_CREDENTIALS:
        hint = "check elasticsearch.api_key or username and password, and the role's privileges (create_doc, auto_configure)"
        return _refused(where, f"refuses the credentials: {_words(error)}", hint, EX_NOPERM)
    if _NO_IDS.search(error.reason):
        hint = (
            "only collections of type SEARCH do; use one, or set elasticsearch.collection to timeseries and "
            "index.accept_duplicates to true: then what is sent again is there twice"
        )
        return _refused(where, f"takes no ids: {_words(error)}", hint)
    if error.type in _TARGET or _TARGET_REASON.search(error.reason) or error.status in _WRONG_ADDRESS:
        hint = "check elasticsearch.hosts, index.name and index.pipeline, and run `vpcflow setup --template`"
        return _refused(where, f"has no such target: {_words(error)}", hint)
    return None


def _refused(where: str, what: str, hint: str, exit_code: int = EX_CONFIG) -> SinkRefused:
    return SinkRefused(f"{where} {what}; {hint}", exit_code=exit_code)


def _words(error: ItemError) -> str:
    return ": ".join(filter(None, (str(error.status), error.type, error.reason)))


def _one_line(text: object) -> str:
    return " ".join(str(text).split())
