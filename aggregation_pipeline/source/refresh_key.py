"""What the keys of `refresh` have in common, whatever kind the source is of."""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.options import SourceOptions

KEY: Final = "refresh.key"
# Who waits for a lock longer is asked again at the next tick.
_LOCK_SECONDS: Final = 5
_CONNECT_SECONDS: Final = 5
_MARGIN: Final = 2


@contextlib.contextmanager
def told_as_key() -> Iterator[None]:
    """Let the errors of the body begin with the key of the entry that they are about."""
    try:
        yield
    except SourceError as error:
        if not str(error).startswith(KEY):
            error.args = (f"{KEY}: {error}",)
        raise


def bounded(limits: SourceLimits, options: SourceOptions, seconds: int) -> tuple[SourceLimits, SourceOptions]:
    """Return what lets a session ask for keys for so many seconds at most, and wait for little."""
    limits = limits.model_copy(
        update={
            "timeout_seconds": min(seconds, limits.timeout_seconds),
            "max_snapshot_seconds": seconds,
            "lock_wait_seconds": min(_LOCK_SECONDS, limits.lock_wait_seconds),
        }
    )
    # A server without a limit on statements, or one that has frozen, is given up by the connection.
    return limits, replace(
        options, connect_timeout=min(_CONNECT_SECONDS, options.connect_timeout), stall_timeout=seconds + _MARGIN
    )


def fingerprint(values: Sequence[str | None]) -> str:
    """Return what stands for the texts of a key: a value may say something about people."""
    return hashlib.blake2b(json.dumps(values).encode(), digest_size=16).hexdigest()
