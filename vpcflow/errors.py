"""What can go wrong, classed by what the caller must do next.

VpcFlowError
├── ConfigError             do not start: the settings or the environment are wrong   (exit 78)
├── DataError               the input is not what the user said it is                 (exit 65)
├── SinkError
│   ├── SinkUnavailable     nothing was decided: send the same body again             (exit 75)
│   └── SinkRefused         the request is wrong and stays wrong: stop                (exit 77 or 78)
├── DeadLetterError         a dead letter could not be kept: settle nothing           (exit 75)
├── CheckpointError
│   ├── CheckpointThrottled the same checkpoint again, later
│   └── LeaseLost           stop; never checkpoint this shard again
└── Stopped                 somebody asked us to stop while we waited                 (exit 75)

A bad record is a value (`vpcflow.types.Undecodable`); only a bad world is an exception.
Exit codes follow sysexits.h.
"""

from __future__ import annotations

__all__ = [
    "EX_CONFIG",
    "EX_DATAERR",
    "EX_NOPERM",
    "EX_OK",
    "EX_SOFTWARE",
    "EX_TEMPFAIL",
    "EX_USAGE",
    "CheckpointError",
    "CheckpointThrottled",
    "ConfigError",
    "DataError",
    "DeadLetterError",
    "LeaseLost",
    "SinkError",
    "SinkRefused",
    "SinkUnavailable",
    "Stopped",
    "VpcFlowError",
]

EX_OK = 0
EX_USAGE = 64
EX_DATAERR = 65
EX_SOFTWARE = 70
EX_TEMPFAIL = 75
EX_NOPERM = 77
EX_CONFIG = 78


class VpcFlowError(Exception):
    """Any error of ours. `str()` is one line for people: what is wrong, where, what to do."""

    exit_code = EX_SOFTWARE

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        """Keep the message; `exit_code` overrides that of the class."""
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with every attribute, so that nothing is lost between processes."""
        return (_rebuild, (type(self), str(self), dict(self.__dict__)))


def _rebuild(kind: type[VpcFlowError], message: str, attributes: dict[str, object]) -> VpcFlowError:
    error = kind(message)
    error.__dict__.update(attributes)
    return error


class ConfigError(VpcFlowError):
    """Settings or environment are wrong; names the key by its path, never its value."""

    exit_code = EX_CONFIG


class DataError(VpcFlowError):
    """Input that cannot be used as asked."""

    exit_code = EX_DATAERR


class SinkError(VpcFlowError):
    """The search engine did not take a request."""


class SinkUnavailable(SinkError):
    """No decision was made about the body: it may be sent again as it is."""

    exit_code = EX_TEMPFAIL

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """`retry_after`: seconds that the server asked for, if it did."""
        super().__init__(message)
        self.retry_after = retry_after


class SinkRefused(SinkError):
    """The request will be refused again: credentials (77) or settings (78)."""

    exit_code = EX_CONFIG


class DeadLetterError(VpcFlowError):
    """A dead letter could not be written; the record it belongs to is not settled."""

    exit_code = EX_TEMPFAIL


class CheckpointError(VpcFlowError):
    """The lease table did not take a checkpoint, and will not."""


class CheckpointThrottled(CheckpointError):
    """The lease table asked us to come back later."""

    exit_code = EX_TEMPFAIL


class LeaseLost(CheckpointError):
    """Another worker holds the lease of this shard now."""


class Stopped(VpcFlowError):
    """A stop was asked for while something waited; nothing was settled by it."""

    exit_code = EX_TEMPFAIL
