"""Python imports this by itself, in each process of a consumer under test whose PYTHONPATH names this folder.

It puts faults between two steps of a flush without a change of the product: functions are wrapped when their module has been
imported. FAULT_INJECT names a folder:
  armed.json          the fault that is wanted now
  injections.jsonl    a line for each that fired
  checkpoints.jsonl   a line for each checkpoint that the daemon acknowledged
FAULT_WALL_SECONDS moves the wall clock.
"""
# ruff: noqa: ANN401 - modules are patched from outside of them

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

_MONOTONIC = time.monotonic_ns
_ANSWER_SECONDS = 30.0


class Injector:
    """Kills this process the nth time that it comes by the step that is armed; once, however often it is started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._passed: dict[str, int] = {}

    def step(self, number: int, **detail: object) -> None:
        armed = self._armed()
        if armed is None or armed["step"] != number:
            return
        name = armed["name"]
        self._passed[name] = self._passed.get(name, 0) + 1
        if self._passed[name] == armed["nth"] and self._first(name):
            self.note(fault="SIGKILL", name=name, step=number, nth=armed["nth"], **detail)
            os.kill(os.getpid(), signal.SIGKILL)

    def waits_for(self, number: int) -> bool:
        armed = self._armed()
        return armed is not None and armed["step"] == number

    def note(self, log: str = "injections", /, **what: object) -> None:
        line = json.dumps({**what, "pid": os.getpid(), "monotonic_ns": _MONOTONIC()}) + "\n"
        descriptor = os.open(self._folder / f"{log}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
        os.close(descriptor)

    def _armed(self) -> dict[str, Any] | None:
        try:
            armed: dict[str, Any] = json.loads((self._folder / "armed.json").read_text())
        except FileNotFoundError:
            return None
        return None if (self._folder / f"fired-{armed['name']}").exists() else armed

    def _first(self, name: str) -> bool:
        try:
            os.close(os.open(self._folder / f"fired-{name}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True


def _decoder(module: Any, injector: Injector) -> None:
    decode = module.Decoder.decode

    def decoding(self: object, data: bytes, origin: object, **more: Any) -> Iterator[object]:
        for chunk in decode(self, data, origin, **more):
            injector.step(1)
            yield chunk

    module.Decoder.decode = decoding


def _dead_letters(module: Any, injector: Injector) -> None:
    put = module.FileDeadLetters.put

    def putting(self: object, *entries: Any) -> None:
        put(self, *entries)
        rejected = [entry.reason == "rejected" for entry in entries]
        if not all(rejected):
            injector.step(2)
        if any(rejected):
            injector.step(6)

    module.FileDeadLetters.put = putting


def _engine(module: Any, injector: Injector) -> None:
    write = module.EngineSink.write

    def writing(self: object, bulk: Any) -> object:
        injector.step(3, documents=bulk.count)
        answer = write(self, bulk)
        injector.step(5, documents=bulk.count)
        return answer

    module.EngineSink.write = writing


def _http(module: Any, injector: Injector) -> None:
    connection = module.HTTPConnection
    request, getresponse = connection.request, connection.getresponse

    def requesting(self: Any, method: str, url: str, *arguments: object, **named: object) -> object:
        self.is_bulk = "/_bulk" in url
        return request(self, method, url, *arguments, **named)

    def answering(self: Any) -> object:
        # The engine answers when it has done all of it: what can be read now is the whole proof of that.
        if self.is_bulk and injector.waits_for(4) and select.select([self.sock], [], [], _ANSWER_SECONDS)[0]:
            injector.step(4)
        return getresponse(self)

    connection.request, connection.getresponse = requesting, answering


def _kclpy(module: Any, injector: Injector) -> None:
    checkpoint, write_action = module.Checkpointer.checkpoint, module._IOHandler.write_action

    def checkpointing(self: object, sequence: str | None = None, subsequence: int | None = None) -> None:
        injector.step(7, sequence=sequence)
        checkpoint(self, sequence, subsequence)
        injector.note("checkpoints", sequence=sequence)
        injector.step(9, sequence=sequence)

    def writing(self: object, response: dict[str, Any]) -> None:
        write_action(self, response)
        if response["action"] == "checkpoint":
            injector.step(8, sequence=response["sequenceNumber"])

    module.Checkpointer.checkpoint, module._IOHandler.write_action = checkpointing, writing


_PATCHES: dict[str, Callable[[Any, Injector], None]] = {
    "vpcflow.codec.decoder": _decoder,
    "vpcflow.deadletters.files": _dead_letters,
    "vpcflow.sink.engine": _engine,
    "urllib3.connection": _http,
    "amazon_kclpy.kcl": _kclpy,
}


class _Finder(importlib.abc.MetaPathFinder):
    """Has a module patched right after it was run."""

    def __init__(self, injector: Injector) -> None:
        self._injector = injector

    def find_spec(
        self, name: str, path: Any, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        patch = _PATCHES.get(name)
        spec = None if patch is None else importlib.machinery.PathFinder.find_spec(name, path, target)
        if patch is None or spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_patch(module: ModuleType) -> None:
            run(module)
            patch(module, self._injector)

        spec.loader.exec_module = run_and_patch  # type: ignore[method-assign]
        return spec


def _move_clock(injector: Injector, seconds: int) -> None:
    wall, wall_ns = time.time, time.time_ns
    role = "child" if "--child" in sys.orig_argv else "supervisor"
    told = False

    def told_once() -> None:
        nonlocal told
        if not told:
            told = True
            injector.note(fault="wall clock", seconds=seconds, process=role)

    def moved() -> float:
        told_once()
        return wall() + seconds

    def moved_ns() -> int:
        told_once()
        return wall_ns() + seconds * 1_000_000_000

    time.time, time.time_ns = moved, moved_ns


if _given := os.environ.get("FAULT_INJECT"):
    _injector = Injector(Path(_given))
    sys.meta_path.insert(0, _Finder(_injector))
    if _seconds := int(os.environ.get("FAULT_WALL_SECONDS", "0")):
        _move_clock(_injector, _seconds)
