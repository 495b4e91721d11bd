"""The error of a run in which some partitions failed."""

from collections.abc import Mapping
from typing import Final

from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.errors import PipelineError

# So many partitions are named in the first line, and so many of them with their errors.
_NAMED: Final = 200
_EXPLAINED: Final = 20


class PartitionsFailedError(PipelineError):
    """Some partitions of a run failed; the others are published and recorded."""


class RetryablePartitionsError(PartitionsFailedError):
    """Some partitions of a run failed, and at least one of them may succeed on another attempt."""

    retryable = True


def partitions_failed(failures: Mapping[str, PipelineError], *, untried: int) -> PartitionsFailedError:
    """Return the error that names the partitions that failed.

    Args:
        failures: by partition key.
        untried: how many partitions were left out because the fault was not theirs.
    """
    explained = [f"{key}: {error}" for key, error in list(failures.items())[:_EXPLAINED]]
    more = len(failures) - len(explained)
    lines = [
        f"{len(failures)} of its partitions failed: {some_of(list(failures), _NAMED)}",
        *explained,
        *([f"and {more} more"] if more else []),
        *([f"{untried} more were not tried, because the fault is not theirs"] if untried else []),
    ]
    retryable = any(error.retryable for error in failures.values())
    return (RetryablePartitionsError if retryable else PartitionsFailedError)("\n".join(lines))
