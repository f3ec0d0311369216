"""Bytes of an S3 object, however often the connection is lost on the way.

What is missing is asked for with `Range`, and `If-Match` sees to it that it is the same object still:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html. The requests that brought nothing are counted in a row; one
that brings a byte begins the count anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator
from typing import Any

from vpcflow.aws import client
from vpcflow.clock import Clock
from vpcflow.errors import EX_CONFIG, EX_NOPERM, Stopped
from vpcflow.objects.failures import Lost, ObjectAway, ObjectChanged, ObjectDenied, ObjectError, refusal
from vpcflow.objects.reference import ObjectRef
from vpcflow.retry import sleep_interruptibly

__all__ = ["ObjectReader", "read", "s3_client"]

_PIECE = 65_536
_FIRST_WAIT, _LONGEST_WAIT = 0.2, 5.0


def _never() -> bool:
    return False


def s3_client(*, region: str = "", endpoint: str = "", read_seconds: float = 30.0) -> Any:  # noqa: ANN401 - boto3 has no types
    """Return a client for `read`: it gives up after `read_seconds` of silence, and sends each request once.

    Raises:
        ObjectError: no boto3, no region.
    """
    return client("s3", region=region, endpoint=endpoint, read_seconds=read_seconds, attempts=1, error=ObjectError)


class ObjectReader:
    """One object, or one version of it, as it was at the first answer.

    etag: of what is read, without quotes. size: bytes. changed: a resume was meant for another object: begin at the beginning.
    """

    def __init__(
        self,
        s3: Any,  # noqa: ANN401
        ref: ObjectRef,
        *,
        clock: Clock,
        attempts: int = 5,
        should_stop: Callable[[], bool] = _never,
    ) -> None:
        """Keep the parts; nothing is asked.

        Args:
            s3: see `s3_client`.
            ref: what to read.
            clock: for waits between requests.
            attempts: requests in a row that may bring nothing.
            should_stop: asked before and during waits, and between two pieces.
        """
        self._s3 = s3
        self._ref = ref
        self._clock = clock
        self._attempts = attempts
        self._should_stop = should_stop
        self._fruitless = 0
        self._body: Any = None
        self.etag = ref.resume.etag if ref.resume else ""
        self.size = 0
        self.changed = False
        self.where = ref.url

    def open(self) -> None:
        """Ask for the whole object; `chunks` reads what was answered. Raises as `chunks` does."""
        self._body = self._first("")

    def open_end(self, length: int) -> bytes:
        """Return the last bytes, `length` at most. Raises as `chunks` does."""
        body = self._first(f"bytes=-{length}")
        return b"".join(self._walk(body, max(0, self.size - length), self.size))

    def chunks(self) -> Generator[bytes]:
        """Yield all of it, in pieces of 64 KiB at most.

        Raises:
            ObjectGone: it is not there.
            ObjectDenied: it may not be read.
            ObjectAway: too many requests in a row brought nothing, or (ObjectChanged) it is another object now.
            Stopped: `should_stop` said so.
        """
        if self._body is None:
            self.open()
        body, self._body = self._body, None
        yield from self._walk(body, 0, self.size)

    def span(self, start: int, length: int) -> bytes:
        """Return these bytes of it; fewer where it ends before. Raises as `chunks` does."""
        end = min(start + length, self.size)
        if start >= end:
            return b""
        return b"".join(self._walk(self._opened(start, end), start, end))

    def close(self) -> None:
        """Give up what was asked for and not read."""
        if self._body is not None:
            self._body.close()
            self._body = None

    def _first(self, span: str) -> Any:  # noqa: ANN401
        """Ask for the first time: the answer says which object this is."""
        while True:
            try:
                answer = self._ask(span)
            except Lost as lost:
                self._fruitless += 1
                self._lost(lost, 0)
            except ObjectChanged:
                if not self.etag:
                    if not span:
                        raise
                    span = ""  # S3 has no last bytes of an empty object
                else:
                    self.etag, self.changed = "", True
            else:
                break
        self.etag = str(answer.get("ETag", "")).strip('"')
        total = str(answer.get("ContentRange", "")).rpartition("/")[2]
        self.size = int(total) if total.isdecimal() else int(answer["ContentLength"])
        return answer["Body"]

    def _opened(self, start: int, end: int) -> Any:  # noqa: ANN401
        while True:
            try:
                answer = self._ask(f"bytes={start}-{end - 1}")
                if not str(answer.get("ContentRange", "")).startswith(f"bytes {start}-"):
                    answer["Body"].close()
                    raise ObjectAway(f"{self.where}: asked for bytes from {start} on, got others; try again later")
                if str(answer.get("ETag", "")).strip('"') != self.etag:
                    answer["Body"].close()
                    raise ObjectChanged(
                        f"{self.where}: overwritten while it was read; read it again from its beginning"
                    )
            except Lost as lost:
                self._fruitless += 1
                self._lost(lost, start)
            else:
                return answer["Body"]

    def _ask(self, span: str) -> Any:  # noqa: ANN401
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, ParamValidationError

        wanted = {"Bucket": self._ref.bucket, "Key": self._ref.key}
        if self._ref.version_id:
            wanted["VersionId"] = self._ref.version_id
        if self.etag:
            wanted["IfMatch"] = f'"{self.etag}"'
        if span:
            wanted["Range"] = span
        try:
            return self._s3.get_object(**wanted)
        except ClientError as error:
            raise refusal(self.where, error.response) from error
        except NoCredentialsError as error:
            message = f"{self.where}: no AWS credentials; give this process a role"
            raise ObjectDenied(message, exit_code=EX_NOPERM) from error
        except ParamValidationError as error:
            message = f"{self.where}: no name that S3 allows: {_line(error)}"
            raise ObjectDenied(message, exit_code=EX_CONFIG) from error
        except (BotoCoreError, OSError) as error:
            raise Lost(_line(error)) from error

    def _walk(self, body: Any, at: int, end: int) -> Iterator[bytes]:  # noqa: ANN401
        """Yield the bytes from `at` to `end`; `body` brings the first of them."""
        try:
            while True:
                self._fruitless += 1
                try:
                    for piece in self._pieces(body):
                        self._fruitless = 0
                        at += len(piece)
                        yield piece
                    lost = Lost("the answer ended too soon")
                except Lost as error:
                    lost = error
                if at >= end:
                    return
                body.close()
                self._lost(lost, at)
                body = self._opened(at, end)
        finally:
            body.close()

    def _pieces(self, body: Any) -> Iterator[bytes]:  # noqa: ANN401
        from botocore.exceptions import BotoCoreError, FlexibleChecksumError
        from urllib3.exceptions import HTTPError

        try:
            while not self._should_stop():
                piece = body.read(_PIECE)
                if not piece:
                    return
                yield piece
        except FlexibleChecksumError as error:
            raise ObjectAway(f"{self.where}: {_line(error)}; it was damaged on its way: try again later") from error
        except (BotoCoreError, HTTPError, OSError) as error:
            raise Lost(_line(error)) from error
        # Whoever goes on in the midst of an object may read for long before a line comes that is asked for.
        raise Stopped(f"{self.where}: asked to stop while it was read")

    def _lost(self, lost: Lost, at: int) -> None:
        """Wait before the next request, or raise because it would be one too many."""
        if self._fruitless >= self._attempts:
            place = f"after {at} of {self.size} bytes" if self.size else "at its beginning"
            raise ObjectAway(
                f"{self.where}: {lost} ({place}, {self._fruitless} requests in a row); try again later"
            ) from lost
        longest = min(_FIRST_WAIT * 2**self._fruitless, _LONGEST_WAIT)
        seconds = longest * (1 + random.random()) / 2  # noqa: S311 - so that many readers do not come back at once
        sleep_interruptibly(seconds, clock=self._clock, should_stop=self._should_stop)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def read(
    s3: Any,  # noqa: ANN401
    ref: ObjectRef,
    *,
    clock: Clock,
    attempts: int = 5,
    should_stop: Callable[[], bool] = _never,
) -> ObjectReader:
    """Return a reader that is open: it knows ETag and size. Arguments and errors as of `ObjectReader`."""
    reader = ObjectReader(s3, ref, clock=clock, attempts=attempts, should_stop=should_stop)
    reader.open()
    return reader
