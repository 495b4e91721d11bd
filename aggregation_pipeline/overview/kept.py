"""An answer that takes long to make, and is kept for a short time.

Many who ask at once cost one question, in a thread of its own. Nobody waits longer than a few seconds, also while a
server is frozen: they get what was known before, and its age.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from aggregation_pipeline.health.probe import Probe

T = TypeVar("T")
# For the first answer people wait longer: the code that makes it is loaded then.
_FIRST_LIMIT_SECONDS: Final = 6.0
# For so long an answer counts as new, and nobody asks after a failure.
_FRESH_SECONDS: Final = 3.0
# An answer that is not older is given at once, also while the next one is made.
_RECENT_SECONDS: Final = 10.0
# For so long an answer may be shown while there is no newer one.
_OLDEST_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Known(Generic[T]):
    """An answer, and for how many seconds it has been known."""

    value: T
    age: float


@dataclass(frozen=True)
class Times:
    """Up to which age in seconds an answer counts as new, is given at once, and is shown at all."""

    fresh: float = _FRESH_SECONDS
    recent: float = _RECENT_SECONDS
    oldest: float = _OLDEST_SECONDS


class Kept(Generic[T]):
    """Makes an answer by calling `read`, and keeps it. May be used from any thread.

    It is asked for as the dependencies of `/health` are. `read` has to end by itself some time; until then nobody calls
    it again. What has failed is tried again soon, however long its answers are kept.
    """

    def __init__(self, name: str, read: Callable[[], T], times: Times | None = None) -> None:
        self._read = read
        self._times = times or Times()
        self._probe = Probe(
            name,
            self._find,
            kept_seconds=(self._times.fresh, _FRESH_SECONDS),
            first_limit_seconds=_FIRST_LIMIT_SECONDS,
        )
        self._known: tuple[T, float] | None = None

    @property
    def is_failing(self) -> bool:
        """Whether the last question failed, or has no answer in its time."""
        outcome = self._probe.outcome()
        return outcome.is_known and outcome.problem is not None

    def ask(self) -> Future[None] | None:
        """Make a new answer, unless there is one; return what is done when it is there, as `Probe.ask` does."""
        return self._probe.ask()

    async def wait(self) -> Known[T] | None:
        """Return an answer that is new, or after a while the last one, as `known` does. For event loops."""
        asking, known = self.ask(), self.known()
        if known is not None and known.age < self._times.recent:
            return known
        if asking is not None:
            await asyncio.wait([asyncio.wrap_future(asking)], timeout=self._probe.limit_seconds)
        return self.known()

    def known(self) -> Known[T] | None:
        """Return the last answer, without waiting; None if there is none that is new enough to be shown."""
        if self._known is None:
            return None
        value, at = self._known
        age = time.monotonic() - at
        return Known(value, age) if age <= self._times.oldest else None

    def _find(self) -> None:
        # What is read begins to age now.
        self._known = (self._read(), time.monotonic())
