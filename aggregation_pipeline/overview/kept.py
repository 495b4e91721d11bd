"""An answer that takes long to make, and is kept for a short time.

Many who ask at once cost one question, in a thread of its own. Nobody waits longer than a few seconds, also while a
server is frozen: they get what was known before, and its age.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from aggregation_pipeline.errors import PipelineError

T = TypeVar("T")
LIMIT_SECONDS: Final = 2.0
# For the first answer people wait longer: the code that makes it is loaded then.
FIRST_LIMIT_SECONDS: Final = 6.0
# For so long an answer counts as new, and nobody asks after a failure.
_FRESH_SECONDS: Final = 3.0
# An answer that is not older is given at once, also while the next one is made.
_RECENT_SECONDS: Final = 10.0
# For so long an answer may be shown while there is no newer one.
_OLDEST_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Known(Generic[T]):
    """An answer, and for how many seconds it has been known."""

    value: T
    age: float


class Kept(Generic[T]):
    """Makes an answer by calling `read`, and keeps it. May be used from any thread.

    `read` has to end by itself some time; until then nobody calls it again.
    """

    def __init__(self, name: str, read: Callable[[], T]) -> None:
        self._name = name
        self._read = read
        self._lock = threading.Lock()
        self._asking: Future[None] | None = None
        self._began = 0.0
        self._asked_at: float | None = None
        self._known: tuple[T, float] | None = None
        self._problem: str | None = None

    def ask(self) -> Future[None] | None:
        """Make a new answer, unless there is one. Return what is done when it is there.

        None: there is nothing to wait for, because the answer is new, or the last question has had its time.
        """
        now = time.monotonic()
        with self._lock:
            if self._asking is not None:
                return self._asking if now < self._began + self._limit else None
            if self._asked_at is not None and now < self._asked_at + _FRESH_SECONDS:
                return None
            self._asking, self._began = Future(), now
            asking = self._asking
        # A daemon thread, because a frozen server must not keep this process from ending.
        threading.Thread(target=self._find_out, args=(asking,), name=self._name, daemon=True).start()
        return asking

    async def wait(self) -> Known[T] | None:
        """Return an answer that is new, or after a while the last one, as `known` does. For event loops."""
        asking, limit, known = self.ask(), self._limit, self.known()
        if known is not None and known.age < _RECENT_SECONDS:
            return known
        if asking is not None:
            await asyncio.wait([asyncio.wrap_future(asking)], timeout=limit)
        return self.known()

    def known(self) -> Known[T] | None:
        """Return the last answer, without waiting; None if there is none that is new enough to be shown."""
        with self._lock:
            if self._known is None:
                return None
            value, at = self._known
        age = time.monotonic() - at
        return Known(value, age) if age <= _OLDEST_SECONDS else None

    @property
    def _limit(self) -> float:
        return FIRST_LIMIT_SECONDS if self._known is None and self._problem is None else LIMIT_SECONDS

    def _find_out(self, asking: "Future[None]") -> None:
        problem = None
        try:
            # What is read begins to age now.
            known = (self._read(), time.monotonic())
        except PipelineError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the next question is asked
            problem = f"unexpected {type(error).__name__}"
        with self._lock:
            if problem is None:
                self._known = known
            was, self._problem = self._problem, problem
            self._asking, self._asked_at = None, time.monotonic()
        if (was is None) != (problem is None):
            # Those who ask over the network are not told what is wrong: it may name hosts.
            _log.warning("The %s: %s", self._name, problem or "it can be read again")
        asking.set_result(None)
