"""One JSON object per line, whatever is logged."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Iterator

import pytest

from vpcflow.logs import configure, get_logger


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    lines = io.StringIO()
    configure("info", lines)
    yield lines
    root.handlers[:] = handlers
    root.setLevel(level)


def only(stream: io.StringIO) -> dict[str, object]:
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    line = json.loads(text)
    assert isinstance(line, dict)
    return line


def test_an_event_is_one_object(stream: io.StringIO) -> None:
    get_logger("vpcflow.test").info("shard begun", extra={"fields": {"shard": "s-1", "records": 3}})
    line = only(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line.pop("ts")))
    assert line == {"level": "info", "logger": "vpcflow.test", "msg": "shard begun", "shard": "s-1", "records": 3}


def test_fields_do_not_replace_what_every_line_has(stream: io.StringIO) -> None:
    get_logger("a").warning("constant", extra={"fields": {"msg": "other", "level": "x", "ts": 0}})
    line = only(stream)
    assert (line["msg"], line["level"]) == ("constant", "warning")


def test_an_exception_is_one_field(stream: io.StringIO) -> None:
    try:
        int("two\nlines")
    except ValueError:
        get_logger("a").exception("failed")
    assert "ValueError: invalid literal for int() with base 10: 'two" in str(only(stream)["exception"])


def test_odd_values_do_not_raise(stream: io.StringIO) -> None:
    get_logger("a").error("odd", extra={"fields": {"huge": 2**80, "bad": "\ud800", "object": object(), "set": {1}}})
    assert only(stream)["msg"] == "'odd'"


def test_objects_are_shown_as_text(stream: io.StringIO) -> None:
    get_logger("a").error("odd", extra={"fields": {"error": ValueError("why"), 7: None}})
    line = only(stream)
    assert (line["error"], line["7"]) == ("why", None)


def test_arguments_of_others_are_put_in(stream: io.StringIO) -> None:
    get_logger("other").info("%s of %d", "one", 2)
    assert only(stream)["msg"] == "one of 2"


def test_level_and_talkative_clients(stream: io.StringIO) -> None:
    get_logger("a").debug("not shown")
    get_logger("elastic_transport.transport").info("POST http://host:9200/_bulk [status:200]")
    get_logger("elastic_transport.node_pool").warning("Node has failed")
    assert stream.getvalue() == ""


def test_configure_twice_writes_once(stream: io.StringIO) -> None:
    configure("debug", stream)
    get_logger("a").debug("shown")
    assert only(stream)["level"] == "debug"
