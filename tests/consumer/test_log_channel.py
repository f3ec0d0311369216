"""Log lines on their way from children to the supervisor's stderr."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

from consumer.log_channel import LogReader, log_stream


class Full(io.BytesIO):
    """A file on a disk that has no space for a while."""

    full = True

    def flush(self) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        super().flush()


def test_a_log_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    path, target = tmp_path / "logs", Full()
    os.mkfifo(path)
    reader = LogReader(path, target)
    writer = log_stream(path)
    for line in ("first\n", "second\n"):
        writer.write(line)
        reader.copy(0)
        target.full = False
    assert target.getvalue().endswith(b"second\n")
    reader.close()
