"""When a table's op is tried again, and after which pause."""

import random
from collections.abc import Sequence
from typing import Final

from aggregation_pipeline.errors import PipelineError

MAX_RETRIES: Final = 2
# If the server is gone, every window fails. On the last attempt, so many such failures in a row are proof enough.
_HOPELESS_FAILURES: Final = 3
_random = random.SystemRandom()


def will_be_retried(error: BaseException, retry_number: int) -> bool:
    """Return whether the op is tried again after `error`; `retry_number` is 0 on its first attempt."""
    return isinstance(error, PipelineError) and error.retryable and retry_number < MAX_RETRIES


def seconds_to_wait(retry_number: int) -> float:
    """Return the pause before the next attempt: about 10 seconds, then about 30."""
    # Tables that lost the same server should not come back at the same moment.
    return 10.0 * (3.0**retry_number) * _random.uniform(0.8, 1.2)


def is_hopeless(failures: Sequence[PipelineError], retry_number: int) -> bool:
    """Return whether to stop with the windows that remain, because the fault is not theirs.

    If another attempt follows, one retryable failure is enough to leave them to it.
    """
    needed = 1 if retry_number < MAX_RETRIES else _HOPELESS_FAILURES
    return len(failures) >= needed and all(failure.retryable for failure in failures[-needed:])
