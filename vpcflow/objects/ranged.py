"""An object as a file that can be read anywhere: each read is a request for a range, or comes from what was fetched before."""

from __future__ import annotations

import io

from vpcflow.objects.fetching import ObjectReader

__all__ = ["RangedFile"]

_END_BYTES = 65_536  # with the footer of most files


class RangedFile(io.RawIOBase):
    """Read-only. trouble: the last error of a request: who reads through a library looks here for what was behind its error."""

    def __init__(self, reader: ObjectReader) -> None:
        """Fetch the object's end. Raises as `ObjectReader.chunks` does."""
        super().__init__()
        self._reader = reader
        self._at = 0
        self.trouble: Exception | None = None
        end = reader.open_end(_END_BYTES)
        self.size = reader.size
        self._kept = [(self.size - len(end), end)]

    def fetch(self, start: int, end: int) -> None:
        """Fetch a span at once, and let go of what was fetched so before. Raises as `ObjectReader.chunks` does."""
        del self._kept[1:]
        self._kept.append((start, self._reader.span(start, end - start)))

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes; fewer only at the end."""
        end = self.size if size < 0 else min(self._at + size, self.size)
        at, self._at = self._at, max(end, self._at)
        if end <= at:
            return b""
        for start, kept in self._kept:
            if start <= at and end <= start + len(kept):
                return kept[at - start : end - start]
        try:
            return self._reader.span(at, end - at)
        except Exception as error:
            self.trouble = error
            raise

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go somewhere; nothing is asked."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return where it is."""
        return self._at
