"""What counts as a broker that is away: it does not answer, or it answers that it can take nothing now."""

from __future__ import annotations

from typing import Final

from kombu.exceptions import LimitExceeded
from redis import exceptions as redis_errors

#: refusals that pass by themselves or with an operator's help: no memory, no master, another one is being chosen
_PASSING: Final = (
    redis_errors.OutOfMemoryError,
    redis_errors.ReadOnlyError,
    redis_errors.ClusterDownError,
    redis_errors.TryAgainError,
)
#: those for which redis-py has no class; it puts words before them in a pipeline
_PASSING_WORDS: Final = ("MISCONF", "NOREPLICAS", "command not allowed when used memory", "BUSY Redis", "BUSY Valkey")
_SILENT: Final = (redis_errors.TimeoutError, TimeoutError, LimitExceeded)
#: waiting mends none of these
_WRONG_US: Final = (
    redis_errors.AuthenticationError,
    redis_errors.AuthorizationError,
    redis_errors.NoPermissionError,
)


def is_away(error: BaseException) -> bool:
    """Tell whether an error means that the broker is away; a wrong password, for one, does not."""
    causes = list(_causes(error))
    if any(isinstance(cause, _WRONG_US) for cause in causes):
        return False
    return any(_says_so(cause) for cause in causes)


def has_timed_out(error: BaseException) -> bool:
    """Tell whether the broker kept silent, so that asking again at once would only wait again."""
    return any(isinstance(cause, _SILENT) for cause in _causes(error))


def _says_so(error: BaseException) -> bool:
    if isinstance(error, redis_errors.ResponseError):
        return isinstance(error, _PASSING) or any(words in str(error) for words in _PASSING_WORDS)
    return isinstance(error, (redis_errors.ConnectionError, redis_errors.ClusterDownError, OSError, *_SILENT))


def _causes(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__
    return found
