"""Where a request's documents go: the target of the settings, or a data stream that the delivery stream names."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase

from msgspec.structs import replace

from vpcflow import wiring
from vpcflow.errors import SinkUnavailable
from vpcflow.pipeline.counts import Once
from vpcflow.receiver.protocol import AWAY, BAD_REQUEST, Refusal
from vpcflow.receiver.reading import Reader, Storms
from vpcflow.settings.model import Settings

__all__ = ["Target", "Targets"]

# What Elasticsearch and OpenSearch allow in the name of a data stream, less what would be a pattern or a list here.
_NAME = re.compile(r"(?![-_+.])[^A-Z\\/*?\"<>| ,#:\x00-\x1f\x7f]{1,255}")
_BROKEN = 500
_OURS = "logs-aws.vpcflow-"


class Target:
    """One target: a connection, and what reads records for it. Called by several threads."""

    def __init__(self, settings: Settings, storms: Storms) -> None:
        """Ask nobody yet. Raises as `vpcflow.wiring.sink` and `vpcflow.wiring.codec_options`."""
        self.options = wiring.codec_options(settings)
        self.sink = wiring.sink(settings)
        self._storms = storms
        self._once = Once()
        self._idle: list[Reader] = []
        self._checked = False

    @property
    def name(self) -> str:
        """Return the data stream, or the pattern of indices."""
        return self.options.target

    def check(self) -> None:
        """Before the first write: make sure that a data stream is one, or will be.

        Raises:
            SinkUnavailable: no answer.
            SinkRefused: no template, or a plain index has the name.
        """
        if not self._checked:
            self.sink.check_target()
            self._checked = True

    def probe(self) -> None:
        """Ask the engine whether it is there, and check once more. Raises as `check`."""
        reply = self.sink.request("GET", "/")
        if reply.status >= _BROKEN:
            raise SinkUnavailable(f"{self.sink.where}: answers {reply.status}")
        self.sink.check_target()
        self._checked = True

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Lend a reader to one thread; there are as many as were ever needed at once."""
        try:
            reader = self._idle.pop()
        except IndexError:
            reader = Reader(self.options, self._storms, self._once)
        try:
            yield reader
        finally:
            self._idle.append(reader)

    def close(self) -> None:
        """Close the connections."""
        self.sink.close()


class Targets:
    """Made when they are first asked for. Called by several threads."""

    def __init__(self, settings: Settings) -> None:
        """Make the target of the settings. Raises as `Target`."""
        limits = settings.limits
        self._settings = settings
        self._storms = Storms(window=limits.storm_window, fraction=limits.storm_fraction)
        self._lock = threading.Lock()
        self.default = Target(settings, self._storms)
        self._others: dict[str, Target] = {}

    def choose(self, attributes: Mapping[str, str]) -> Target:
        """Return the target of a request.

        Args:
            attributes: the common attributes.

        Raises:
            Refusal: a name that is not allowed, or one too many.
        """
        receiver = self._settings.receiver
        name = attributes.get(receiver.data_stream_attribute, "") if receiver.data_stream_attribute else ""
        if not name or name == self.default.name:
            return self.default
        self._check(name)
        with self._lock:
            if name not in self._others:
                if len(self._others) >= receiver.max_data_streams:
                    most = f"receiver.max_data_streams ({receiver.max_data_streams})"
                    raise Refusal(AWAY, "refused", f"{name}: more data streams than {most}")
                self._others[name] = Target(_settings_for(self._settings, name), self._storms)
            return self._others[name]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for target in (self.default, *self._others.values()):
                target.close()

    def _check(self, name: str) -> None:
        attribute = self._settings.receiver.data_stream_attribute
        if self._settings.index.mode != "data_stream":
            raise Refusal(BAD_REQUEST, "invalid", f'{attribute}: a data stream is named, but index.mode is "pattern"')
        if not _NAME.fullmatch(name):
            raise Refusal(BAD_REQUEST, "invalid", f"{attribute}: {name[:100]!a} cannot be the name of a data stream")
        if not any(fnmatchcase(name, pattern) for pattern in self._settings.receiver.data_streams):
            raise Refusal(BAD_REQUEST, "invalid", f"{attribute}: {name} is not among receiver.data_streams")


def _settings_for(settings: Settings, name: str) -> Settings:
    """Return the settings of a data stream; the namespace in its name is that of its documents, too."""
    document = settings.document
    if name.startswith(_OURS) and len(name) > len(_OURS):
        document = replace(document, namespace=name.removeprefix(_OURS))
    return replace(settings, index=replace(settings.index, name=name), document=document)
