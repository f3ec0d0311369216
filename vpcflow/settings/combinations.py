"""Values that are right by themselves and wrong together: what no type shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import msgspec

from vpcflow.settings.model import Settings

__all__ = ["complaints"]


def complaints(settings: Settings, origins: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the path of each key that cannot stay as it is, with what is wrong and what to do.

    Args:
        settings: of the right types.
        origins: by path where a value came from; `default`: nobody has set it.
    """
    yield from _numbers(settings)
    yield from _index(settings)
    yield from _engine(settings, origins)
    yield from _amazon(settings)
    yield from _deadletters(settings)
    yield from _receiver(settings)
    yield from _firehose(settings)


def _numbers(settings: Settings) -> Iterator[tuple[str, str]]:
    for section, table in msgspec.structs.asdict(settings).items():
        for key, value in msgspec.structs.asdict(table).items():
            if isinstance(value, float) and not math.isfinite(value):
                yield f"{section}.{key}", "a finite number is wanted"


def _index(settings: Settings) -> Iterator[tuple[str, str]]:
    index, shape = settings.index, settings.document.shape
    if index.pipeline == "default" and shape != "raw":
        yield "index.pipeline", '"default" is for document.shape = "raw": else the cluster parses what is parsed'
    if not index.pipeline:
        yield "index.pipeline", 'empty; give _none, a name, or default (with document.shape = "raw")'
    if index.mode == "pattern" and index.name and "{" not in index.name:
        yield "index.name", 'a pattern has a time in it, such as {yyyy.MM.dd}; or set index.mode = "data_stream"'
    if index.mode == "data_stream" and "{" in index.name:
        yield "index.name", 'a data stream has no time in its name; or set index.mode = "pattern"'


def _engine(settings: Settings, origins: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    engine = settings.elasticsearch
    if not engine.hosts:
        yield "elasticsearch.hosts", "empty; give at least one URL"
    if engine.cloud_id and origins["elasticsearch.hosts"] != "default":
        yield "elasticsearch.cloud_id", "elasticsearch.hosts is set as well; give one of them"
    if engine.username and not engine.password and not engine.api_key:
        yield "elasticsearch.username", "there is no elasticsearch.password; set it, or elasticsearch.api_key instead"
    if engine.bearer and (engine.api_key or engine.username):
        yield "elasticsearch.bearer", "there is an api_key or a username as well; give one of them"
    if engine.client_key and not engine.client_cert:
        yield "elasticsearch.client_key", "there is no elasticsearch.client_cert; give both, or neither"
    if engine.certificate_fingerprint and engine.ca_certs:
        yield "elasticsearch.certificate_fingerprint", "is trusted instead of elasticsearch.ca_certs; give one of them"


def _amazon(settings: Settings) -> Iterator[tuple[str, str]]:
    engine, index = settings.elasticsearch, settings.index
    if engine.service and (engine.api_key or engine.bearer or engine.username):
        yield "elasticsearch.service", "signed requests take no api_key, bearer or username; leave them out"
    if engine.service and engine.cloud_id:
        yield "elasticsearch.service", "Elastic Cloud takes no signed requests; leave it or elasticsearch.cloud_id out"
    if engine.service and engine.product == "elasticsearch":
        yield "elasticsearch.service", 'Amazon\'s services are OpenSearch; leave elasticsearch.product at "auto"'
    if engine.service == "aoss" and index.mode != "pattern":
        yield "index.mode", 'OpenSearch Serverless has no data streams; set "pattern"'
    if engine.collection == "timeseries" and engine.service != "aoss":
        yield "elasticsearch.collection", 'is for OpenSearch Serverless; set elasticsearch.service = "aoss"'
    if engine.collection == "timeseries" and not index.accept_duplicates:
        problem = "takes no ids: what is sent again is there twice"
        yield "elasticsearch.collection", f"{problem}; use one of type SEARCH, or set index.accept_duplicates = true"
    if index.accept_duplicates and engine.collection != "timeseries":
        yield "index.accept_duplicates", 'is only for elasticsearch.collection = "timeseries"; leave it out'


def _deadletters(settings: Settings) -> Iterator[tuple[str, str]]:
    letters = settings.deadletters
    needed = {"file": "path", "s3": "bucket", "sqs": "queue_url", "index": "index"}[letters.kind]
    if not getattr(letters, needed):
        yield f"deadletters.{needed}", f'empty; it is needed with deadletters.kind = "{letters.kind}"'
    if letters.kind == "sqs" and "://" not in letters.queue_url:
        yield "deadletters.queue_url", "not a URL such as https://sqs.eu-west-1.amazonaws.com/123456789012/letters"
    if letters.kind == "index" and (letters.index != letters.index.lower() or letters.index[:1] in ("_", "-", "+")):
        yield "deadletters.index", "an index name is lower case, and begins with none of _ - +"
    if letters.kind == "index" and settings.elasticsearch.collection == "timeseries":
        yield "deadletters.kind", 'a collection of type TIMESERIES keeps no ids; use "s3" or "sqs"'


def _firehose(settings: Settings) -> Iterator[tuple[str, str]]:
    firehose = settings.firehose
    if firehose.partial == "keep_good" and settings.deadletters.kind == "file":
        problem = "the bad lines have no place to go: a Lambda keeps no files"
        yield "firehose.partial", f'{problem}; set deadletters.kind to "s3", "sqs" or "index", or leave "fail_record"'
    if firehose.partition_keys and firehose.mode not in ("documents", "bulk"):
        yield "firehose.partition_keys", 'are for S3: firehose.mode = "documents" or "bulk"; leave them out'


def _receiver(settings: Settings) -> Iterator[tuple[str, str]]:
    receiver = settings.receiver
    if receiver.access_key_previous and not receiver.access_key:
        yield "receiver.access_key_previous", "there is no receiver.access_key; set that one first"
    if receiver.key and not receiver.certificate:
        yield "receiver.key", "there is no receiver.certificate; give both, or neither"
    if receiver.max_buffered_bytes < receiver.max_request_bytes + receiver.max_inflated_bytes:
        problem = "less than max_request_bytes and max_inflated_bytes together"
        yield "receiver.max_buffered_bytes", f"{problem}: the largest request would never find room"
    if receiver.data_stream_attribute and not receiver.data_streams:
        yield "receiver.data_streams", 'empty; give a pattern, or set receiver.data_stream_attribute = ""'
