"""What a backfill has done, in a file: an SQLite database, so that neither a kill nor a full disk leaves half a state.

https://www.sqlite.org/pragma.html: `application_id` says whose file it is, `user_version` which format.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from vpcflow.errors import EX_TEMPFAIL, EX_USAGE, VpcFlowError
from vpcflow.objects.reference import ObjectRef

__all__ = ["FORMAT_VERSION", "Progress"]

FORMAT_VERSION = 1
_UNWRITABLE = ("unable to open", "readonly")  # SQLite's words
_APPLICATION = 0x76_70_63_66  # "vpcf"


class Progress:
    """The objects that are settled. Held by one backfill at a time."""

    def __init__(self, path: Path | None, binding: Mapping[str, str]) -> None:
        """Open it, or make it. Without a path it is remembered as long as this object lives.

        Args:
            path: of the file.
            binding: what the state is good for (bucket, range, target …); another one is refused.

        Raises:
            VpcFlowError: no state of ours, of another backfill, or no file that can be written (64); another process works with
                it, or its disk is full or fails (75).
        """
        self._where = str(path) if path else ":memory:"
        try:
            self._data = sqlite3.connect(self._where, timeout=0, isolation_level=None)
        except sqlite3.Error as error:
            raise self._cannot(error) from error
        try:
            self._open(dict(binding))
        except BaseException as error:
            self._data.close()
            if isinstance(error, sqlite3.Error):
                raise self._cannot(error) from error
            raise

    @property
    def count(self) -> int:
        """Return how many objects are settled."""
        return int(self._data.execute("SELECT count(*) FROM done").fetchone()[0])

    def is_done(self, ref: ObjectRef) -> bool:
        """Return whether this object, as it is now, is settled."""
        found = self._data.execute("SELECT 1 FROM done WHERE key = ? AND etag = ?", (ref.key, ref.etag)).fetchone()
        return found is not None

    def note(self, refs: Iterable[ObjectRef]) -> None:
        """Write down that these are settled; durable when it returns.

        Raises:
            VpcFlowError: it could not be written.
        """
        rows = [(ref.key, ref.etag) for ref in refs]
        try:
            with closing(self._data.cursor()) as cursor:
                cursor.execute("BEGIN")
                cursor.executemany("INSERT OR IGNORE INTO done (key, etag) VALUES (?, ?)", rows)
                cursor.execute("COMMIT")
        except sqlite3.Error as error:
            self._data.rollback()
            raise self._cannot(error) from error

    def close(self) -> None:
        """Let the file go."""
        self._data.close()

    def _open(self, binding: dict[str, str]) -> None:
        run = self._data.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("BEGIN EXCLUSIVE")
        application, version = (run(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if not run("SELECT count(*) FROM sqlite_master").fetchone()[0] and not application:
            run("CREATE TABLE binding (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
            run("CREATE TABLE done (key TEXT, etag TEXT, PRIMARY KEY (key, etag)) WITHOUT ROWID")
            self._data.executemany("INSERT INTO binding VALUES (?, ?)", binding.items())
            run(f"PRAGMA application_id = {_APPLICATION}")
            run(f"PRAGMA user_version = {FORMAT_VERSION}")
        elif application != _APPLICATION:
            raise self._refused("not the state of a backfill")
        elif version != FORMAT_VERSION:
            raise self._refused(f"a state of format {version}, this program writes {FORMAT_VERSION}")
        else:
            self._compare(dict(run("SELECT name, value FROM binding").fetchall()), binding)
        run("COMMIT")

    def _compare(self, found: dict[str, str], binding: dict[str, str]) -> None:
        other = [name for name in sorted({*found, *binding}) if found.get(name) != binding.get(name)]
        if other:
            name = other[0]
            words = f"{name} {found.get(name) or 'none'} there, {binding.get(name) or 'none'} here"
            raise self._refused(f"the state of another backfill ({words})")

    def _refused(self, what: str) -> VpcFlowError:
        return VpcFlowError(f"--state: {self._where}: {what}; name another file", exit_code=EX_USAGE)

    def _cannot(self, error: sqlite3.Error) -> VpcFlowError:
        if "locked" in str(error):
            message = f"--state: {self._where}: another backfill works with it; wait for its end"
            return VpcFlowError(message, exit_code=EX_TEMPFAIL)
        if isinstance(error, sqlite3.DatabaseError) and "not a database" in str(error):
            return self._refused("not the state of a backfill")
        if isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in _UNWRITABLE):
            message = f"--state: {self._where}: {error}; name a file that can be written"
            return VpcFlowError(message, exit_code=EX_USAGE)
        message = f"--state: {self._where}: {error}; see to its disk, then run it again"
        return VpcFlowError(message, exit_code=EX_TEMPFAIL)
