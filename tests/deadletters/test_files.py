"""Dead letters on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpcflow.clock import FakeClock
from vpcflow.deadletters.entry import DeadLetter
from vpcflow.deadletters.file_shelves import read_entries
from vpcflow.deadletters.files import FileDeadLetters
from vpcflow.deadletters.memory import MemoryDeadLetters
from vpcflow.errors import DataError, DeadLetterError

LETTER = DeadLetter(
    reason="columns",
    message="15 columns, 14 wanted",
    raw=b"2 123456789010 eni-1",
    source="kinesis:flow-logs",
    identity={
        "shard": "shardId-0",
        "sequence": "49590338271490256608559692538361571095921575989136588898",
        "subsequence": 0,
    },
    position=3,
    first_seen_ms=1_700_000_000_123,
)


def test_what_is_put_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "dead"
    letters = FileDeadLetters(folder, clock=FakeClock())
    assert list(folder.iterdir()) == []
    letters.put(LETTER)
    assert list(read_entries(folder)) == [LETTER]
    letters.put(LETTER, LETTER)
    letters.put()
    letters.close()
    letters.close()
    assert list(read_entries(folder)) == [LETTER] * 3
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    (file,) = folder.iterdir()
    assert file.name == f"1700000000000-{os.getpid()}-0001.jsonl"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@given(
    st.builds(
        DeadLetter,
        reason=st.text(),
        message=st.text(st.characters(exclude_categories=[])),
        raw=st.binary(),
        source=st.text(),
        position=st.integers(-1, 10),
        first_seen_ms=st.integers(0, 2**53),
        error_type=st.text(),
        identity=st.dictionaries(st.text(), st.text() | st.integers(0, 9)),
        attempts=st.integers(1, 9),
    )
)
def test_nothing_is_lost_in_json(letter: DeadLetter) -> None:
    line = letter.to_json()
    assert line.count(b"\n") == 1
    back = DeadLetter.from_json(line)
    assert back.raw == letter.raw
    assert (back.reason, back.identity, back.position, back.attempts) == (
        letter.reason,
        letter.identity,
        letter.position,
        letter.attempts,
    )


def test_bytes_that_are_not_text_are_base64() -> None:
    entry = orjson.loads(
        DeadLetter(reason="gzip", message="", raw=b"\x1f\x8b\xff", source="", position=-1, first_seen_ms=0).to_json()
    )
    assert entry["raw_base64"] == "H4v/"
    assert "raw" not in entry


def test_files_are_rotated_and_each_process_has_its_own(tmp_path: Path) -> None:
    letters = FileDeadLetters(tmp_path, clock=FakeClock(), max_file_bytes=2 * len(LETTER.to_json()))
    other = FileDeadLetters(tmp_path, clock=FakeClock())
    for _ in range(5):
        letters.put(LETTER)
    other.put(LETTER)
    letters.close()
    other.close()
    assert len(list(tmp_path.iterdir())) == 4
    assert len(list(read_entries(tmp_path))) == 6


def test_a_torn_last_line_does_not_matter(tmp_path: Path) -> None:
    letters = FileDeadLetters(tmp_path, clock=FakeClock())
    letters.put(LETTER)
    letters.close()
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes() + LETTER.to_json()[:50])
    assert list(read_entries(tmp_path)) == [LETTER]
    with FakeProcess(tmp_path) as later:
        later.put(LETTER)
    assert list(read_entries(tmp_path)) == [LETTER, LETTER]


class FakeProcess:
    """The same folder, a later start."""

    def __init__(self, folder: Path) -> None:
        self.letters = FileDeadLetters(folder, clock=FakeClock(wall_ms=1_800_000_000_000))

    def __enter__(self) -> FileDeadLetters:
        return self.letters

    def __exit__(self, *_: object) -> None:
        self.letters.close()


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "1-1-0001.jsonl").write_bytes(LETTER.to_json() + b'{"format_version":3}\n')
    with pytest.raises(DataError, match=r"0001\.jsonl:2"):
        list(read_entries(tmp_path))
    (tmp_path / "1-1-0001.jsonl").write_bytes(b"not json\n")
    with pytest.raises(DataError, match=r"0001\.jsonl:1"):
        list(read_entries(tmp_path))


def test_no_folder_to_read(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        list(read_entries(tmp_path / "none"))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DeadLetterError, match=r"deadletters\.path"):
        FileDeadLetters(tmp_path / "file" / "dead", clock=FakeClock())


def test_a_full_disk_is_an_error_that_names_the_folder() -> None:
    """Linux has a device that is always full; elsewhere the folder vanishes."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")

    class Full(FileDeadLetters):
        def _begin(self) -> int:
            return os.open(full, os.O_WRONLY)

    folder = Path("/tmp")  # noqa: S108 - only has to exist, nothing is written to it
    letters = Full(folder, clock=FakeClock())
    with pytest.raises(DeadLetterError, match="No space left") as caught:
        letters.put(LETTER)
    assert str(folder) in str(caught.value)
    assert letters._descriptor is None


def test_a_folder_that_went_away(tmp_path: Path) -> None:
    folder = tmp_path / "dead"
    letters = FileDeadLetters(folder, clock=FakeClock())
    folder.rmdir()
    with pytest.raises(DeadLetterError, match="No such file"):
        letters.put(LETTER)
    folder.mkdir()
    letters.put(LETTER)
    letters.close()
    assert list(read_entries(folder)) == [LETTER]


def test_memory() -> None:
    letters = MemoryDeadLetters()
    letters.put(LETTER)
    letters.close()
    assert letters.entries == [LETTER]
