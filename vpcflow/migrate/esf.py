"""The configuration file of the Elastic Serverless Forwarder → our settings, and what of it has no equal.

https://www.elastic.co/docs/reference/aws-forwarder/aws-deploy-elastic-serverless-forwarder#sample-s3-config-file
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vpcflow.errors import DataError

__all__ = ["Migration", "migrated"]

Table = dict[str, Any]

_TYPES = ("s3-sqs", "sqs", "kinesis-data-stream", "cloudwatch-logs")
_TAGS = ["forwarded", "aws-vpcflow"]
_SECRET = re.compile(r"(arn:aws[a-z-]*:secretsmanager:[^:]+:\d+:secret:[^:]+)(?::(.+))?")
_STREAM = re.compile(r"logs-aws\.vpcflow-([^-]+)")
_SHA256 = 64
# A search for one of these words in a flow-log line means one column and nothing else.
_WORDS = {"ACCEPT": "action", "REJECT": "action", "NODATA": "log-status", "SKIPDATA": "log-status"}
_WORD = re.compile(r"(?:\\b|\\s|\s|\^|\$)*([A-Z]+)(?:\\b|\\s|\s|\^|\$)*")
_NOT_NEEDED = {
    "expand_event_list_from_field": "events of CloudWatch Logs are taken out of their envelope without being told",
    "root_fields_to_add_to_expanded_event": "owner, log group and log stream are in each document",
    "json_content_type": "what a record holds is told by its structure",
    "multiline": "a flow log is one line",
}


@dataclass(slots=True)
class Migration:
    """settings: as a TOML document has them. notes: (path in their file, what became of it), in their order."""

    settings: Table = field(default_factory=dict)
    notes: list[tuple[str, str]] = field(default_factory=list)

    def note(self, path: str, text: str) -> None:
        """Say what has no equal, or what to do about it."""
        self.notes.append((path, text))


def migrated(document: object) -> Migration:
    """Return our settings for theirs.

    Args:
        document: their YAML, parsed.

    Raises:
        DataError: it is no such configuration; names the place.
    """
    if not isinstance(document, Mapping) or not isinstance(document.get("inputs"), list):
        raise DataError("no configuration of the Elastic Serverless Forwarder: there is no list of `inputs` at its top")
    done = Migration()
    inputs: Table = {}
    outputs: Table = {}
    for number, entry in enumerate(document["inputs"]):
        path = f"inputs[{number}]"
        if not isinstance(entry, Mapping):
            raise DataError(f"{path}: a table is wanted")
        table = _input(done, path, entry)
        name = _free(_name(str(entry.get("id", ""))), inputs)
        table["outputs"] = list(_outputs(done, path, entry, outputs))
        inputs[name] = table
    for key in document:
        if key != "inputs":
            done.note(str(key), "unknown there as well; left out")
    done.settings = {"inputs": inputs, "outputs": outputs}
    return done


def _input(done: Migration, path: str, entry: Mapping[str, Any]) -> Table:
    kind, arn = entry.get("type"), entry.get("id")
    if kind not in _TYPES:
        raise DataError(f"{path}.type: {kind!r} is none of {', '.join(_TYPES)}")
    if not isinstance(arn, str) or not arn.startswith("arn:"):
        raise DataError(f"{path}.id: an ARN is wanted")
    table: Table = {"match": _match(kind, arn)}
    tags = entry.get("tags") or []
    if tags:
        table["document"] = {"tags": _TAGS + [str(tag) for tag in tags if tag not in _TAGS]}
    for side in ("include", "exclude"):
        found = list(_expressions(done, f"{path}.{side}", entry.get(side) or []))
        if found:
            table.setdefault("filter", {})[side] = found
    for key in entry:
        if key in _NOT_NEEDED:
            done.note(f"{path}.{key}", f"not needed: {_NOT_NEEDED[key]}")
        elif key not in ("type", "id", "tags", "include", "exclude", "outputs"):
            done.note(f"{path}.{key}", "unknown; left out")
    return table


def _match(kind: str, arn: str) -> list[str]:
    if kind != "cloudwatch-logs":
        return [arn]
    group = arn.removesuffix(":*")
    return [group, f"{group}:*"]


def _expressions(done: Migration, path: str, patterns: list[object]) -> Iterator[str]:
    """Yield filter expressions for regular expressions that can only mean one column."""
    for number, pattern in enumerate(patterns):
        text = str(pattern.get("pattern", "")) if isinstance(pattern, Mapping) else str(pattern)
        word = _WORD.fullmatch(text)
        if word is not None and word[1] in _WORDS:
            yield f"{_WORDS[word[1]]} == {word[1]}"
        else:
            done.note(
                f"{path}[{number}]", f"no equal: write {text!r} as an expression over fields, see docs/filters.md"
            )


def _outputs(done: Migration, path: str, entry: Mapping[str, Any], outputs: Table) -> Iterator[str]:
    listed = entry.get("outputs")
    if not isinstance(listed, list) or not listed:
        raise DataError(f"{path}.outputs: a list with at least one output is wanted")
    for number, output in enumerate(listed):
        here = f"{path}.outputs[{number}]"
        if not isinstance(output, Mapping) or not isinstance(output.get("args"), Mapping):
            raise DataError(f"{here}: a table with `type` and `args` is wanted")
        if output.get("type") == "logstash":
            done.note(here, "no equal: we write to Elasticsearch and OpenSearch only")
            continue
        if output.get("type") != "elasticsearch":
            raise DataError(f"{here}.type: {output.get('type')!r} is neither elasticsearch nor logstash")
        table, notes = _Output(f"{here}.args", output["args"], str(entry.get("type"))).table()
        same = [name for name, other in outputs.items() if other == table]
        name = same[0] if same else _free(_host(output["args"]), outputs)
        outputs.setdefault(name, table)
        done.notes += notes
        yield name


class _Output:
    """One `args` table."""

    def __init__(self, path: str, args: Mapping[str, Any], input_type: str) -> None:
        self._path = path
        self._args = dict(args)
        self._input_type = input_type
        self._notes: list[tuple[str, str]] = []

    def table(self) -> tuple[Table, list[tuple[str, str]]]:
        """Return our tables of this output, and the notes."""
        table = {"elasticsearch": self._engine(), **self._target(), "bulk": self._bulk()}
        letters = self._args.pop("es_dead_letter_index", "")
        if letters:
            table["deadletters"] = {"kind": "index", "index": letters}
        for key in self._args:
            self._note(key, "unknown; left out")
        return {name: values for name, values in table.items() if values}, self._notes

    def _note(self, key: str, text: str) -> None:
        self._notes.append((f"{self._path}.{key}", text))

    def _engine(self) -> Table:
        args, engine = self._args, Table()
        url, cloud = args.pop("elasticsearch_url", ""), args.pop("cloud_id", "")
        if url:
            engine["hosts"] = [str(url)]
            if cloud:
                self._note("cloud_id", "left out: elasticsearch_url is given as well, and wins there too")
        elif cloud:
            engine["cloud_id"] = str(cloud)
        else:
            raise DataError(f"{self._path}: neither elasticsearch_url nor cloud_id")
        key = args.pop("api_key", "")
        username, password = args.pop("username", ""), args.pop("password", "")
        if key:
            engine["api_key"] = self._secret("api_key", key)
            if username:
                self._note("username", "left out: api_key is given as well, and is what was used")
        elif username:
            engine |= {"username": self._name(username), "password": self._secret("password", password)}
        fingerprint = str(args.pop("ssl_assert_fingerprint", "") or "").replace(":", "").lower()
        if fingerprint and len(fingerprint) == _SHA256:
            engine["certificate_fingerprint"] = fingerprint
        elif fingerprint:
            self._note("ssl_assert_fingerprint", "no SHA-256: give that of the certificate, 64 hexadecimal digits")
        return engine

    def _name(self, username: object) -> str:
        if _SECRET.fullmatch(str(username)) is None:
            return str(username)
        self._note("username", "is a secret there and no secret here: write the name itself")
        return "USERNAME"

    def _secret(self, key: str, value: object) -> str:
        """Return a reference. What stands there in clear goes nowhere: this is printed."""
        found = _SECRET.fullmatch(str(value))
        if found is not None:
            return f"aws-secretsmanager:{found[1]}" + (f"#{found[2]}" if found[2] else "")
        variable = f"ELASTICSEARCH_{key.upper()}"
        self._note(
            key, f"stands there in clear and is not copied: keep it in Secrets Manager, or in the variable {variable}"
        )
        return f"env:{variable}"

    def _target(self) -> Table:
        name = str(self._args.pop("es_datastream_name", "") or "")
        if not name:
            if self._input_type != "s3-sqs":
                self._note("es_datastream_name", "not given: logs-generic-default there, logs-aws.vpcflow-default here")
            return {}
        ours = _STREAM.fullmatch(name)
        if ours is not None:
            return {} if ours[1] == "default" else {"document": {"namespace": ours[1]}}
        if not name.startswith("logs-"):
            self._note(
                "es_datastream_name", "a plain index there; here a data stream, or a pattern such as NAME-{yyyy.MM.dd}"
            )
        return {"index": {"name": name}}

    def _bulk(self) -> Table:
        bulk = Table()
        for theirs, ours in (("batch_max_actions", "max_actions"), ("batch_max_bytes", "max_bytes")):
            value = self._args.pop(theirs, None)
            if isinstance(value, int) and value > 0:
                bulk[ours] = value
            elif value is not None:
                self._note(theirs, f"{value!r} is no size here; the default is used")
        return bulk


def _name(arn: str) -> str:
    parts = arn.removesuffix(":*").split(":")
    return re.sub("[^a-z0-9]+", "-", parts[-1].rpartition("/")[2].lower()).strip("-") or "input"


def _host(args: Mapping[str, Any]) -> str:
    where = str(args.get("elasticsearch_url") or args.get("cloud_id") or "")
    host = re.sub("^[a-z]+://", "", where).partition(":")[0].partition("/")[0].rpartition("@")[2]
    return re.sub("[^a-z0-9]+", "-", host.partition(".")[0].lower()).strip("-") or "output"


def _free(name: str, taken: Mapping[str, object]) -> str:
    number, found = 1, name
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found
