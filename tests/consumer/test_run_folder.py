"""Notes in the run folder, also those that a machine without power has left."""

from __future__ import annotations

from pathlib import Path

import pytest

from consumer.process import Process
from consumer.run_folder import ChildNote, RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    one = RunFolder(tmp_path)
    one.create()
    return one


@pytest.mark.parametrize("left", [b"", b"\0\0\0", b"\xff", b'{"pid": 1', b"[]", b"null"])
def test_a_note_that_cannot_be_read_is_none(folder: RunFolder, left: bytes) -> None:
    folder.note_daemon(Process(1, 2))
    folder.note_child(ChildNote(pid=3, start=4))
    for note in folder.path.glob("*.json"):
        note.write_bytes(left)
    assert folder.daemon() is None
    assert folder.children() == []
    folder.clear()
    assert list(folder.path.glob("*.json")) == []


def test_notes_are_read_as_they_were_written(folder: RunFolder) -> None:
    folder.note_daemon(Process(1, 2))
    folder.note_child(ChildNote(pid=3, start=4, shard="a", exit_code=75, message="ä"))
    assert folder.daemon() == Process(1, 2)
    assert folder.children() == [ChildNote(pid=3, start=4, shard="a", exit_code=75, message="ä")]
    folder.forget_child(3)
    assert folder.children() == []


def test_a_note_that_may_not_be_opened_is_none(folder: RunFolder) -> None:
    (folder.path / "retention.json").mkdir()  # opening it fails, as it does without a free descriptor
    assert folder.retention() is None
