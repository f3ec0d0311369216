"""The access keys that a sender may show."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Sequence

from vpcflow.clock import Clock
from vpcflow.settings.secrets import Secret

__all__ = ["AccessKeys"]

_PAUSE_SECONDS = 10.0  # whoever guesses keys must not make us read secrets all the time


class AccessKeys:
    """Two of them while a key is being changed. Called by several threads."""

    def __init__(self, secrets: Sequence[Secret], clock: Clock) -> None:
        """Take the secrets that are set; at least one must be."""
        self._secrets = [one for one in secrets if one]
        if not self._secrets:
            raise ValueError("no access key")
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None

    def accept(self, key: str) -> bool:
        """Return whether it is one of them. How long that takes tells nothing of what they are."""
        given = key.encode("utf-8", "surrogateescape")
        found = [hmac.compare_digest(given, secret.reveal().encode()) for secret in self._secrets]
        return any(found)

    def refresh(self) -> bool:
        """Read the secrets again where they are kept, for a key that was changed; say whether any is another now.

        May block on a file or on AWS; does so once in ten seconds at most, and in one thread: others are told False.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            now = self._clock.monotonic()
            if self._read_at is not None and now - self._read_at < _PAUSE_SECONDS:
                return False
            self._read_at = now
            before, self._secrets = self._secrets, [secret.current() for secret in self._secrets]
            return before != self._secrets
        finally:
            self._lock.release()
