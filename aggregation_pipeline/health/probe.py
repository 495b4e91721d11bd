"""One dependency of the service, asked in a thread of its own, by one question at a time.

A server that is frozen answers nothing and refuses nothing, for hours. So nobody who asks how a dependency is may wait
for the dependency itself: they wait LIMIT_SECONDS at most, and meanwhile one thread waits, not one for each who asks.
What was found out is kept for a while, so that many who ask cost the dependency one question.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from aggregation_pipeline.errors import PipelineError

# Returns what is wrong, for people, and None if nothing is. PipelineErrors that it raises count as what is wrong.
Check = Callable[[], str | None]

LIMIT_SECONDS: Final = 2.0
# For so long an outcome is kept, good or bad: a failure shorter, so that a recovery is seen soon.
_KEPT_SECONDS: Final = (15.0, 5.0)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """What is known of a dependency.

    Attributes:
        problem: what is wrong, for people; it may name hosts, and holds no secret. None if the dependency works.
        age: for how many seconds this has been known.
        is_known: False before the first answer, when nobody has asked yet.
    """

    problem: str | None
    age: float
    is_known: bool = True


class Probe:
    """Asks one dependency.

    Attributes:
        name: the dependency's.
        required: whether the service can do nothing without it.
    """

    def __init__(
        self,
        name: str,
        check: Check,
        *,
        required: bool = False,
        kept_seconds: tuple[float, float] = _KEPT_SECONDS,
        first_limit_seconds: float | None = None,
    ) -> None:
        self.name = name
        self.required = required
        self._good_seconds, self._bad_seconds = kept_seconds
        self._first_limit = first_limit_seconds
        self._check = check
        self._lock = threading.Lock()
        self._asking: Future[None] | None = None
        self._began = 0.0
        self._found: str | None = "it was not asked yet"
        self._found_at: float | None = None

    @property
    def limit_seconds(self) -> float:
        """How long to wait for an answer; for the first one perhaps longer than for others."""
        return LIMIT_SECONDS if self._first_limit is None or self._found_at is not None else self._first_limit

    def ask(self) -> Future[None] | None:
        """Ask the dependency, unless its state is known. Return what is done when it has answered.

        None: there is nothing to wait for. Either the state is known, or the last question has had its time. That
        question may still wait for its answer; there is no further one before it has ended.
        """
        now = time.monotonic()
        with self._lock:
            if self._asking is not None:
                return self._asking if now < self._began + self.limit_seconds else None
            kept = self._good_seconds if self._found is None else self._bad_seconds
            if self._found_at is not None and now < self._found_at + kept:
                return None
            self._asking, self._began = Future(), now
            asking = self._asking
        # A daemon thread, because a frozen server must not keep this process from ending.
        threading.Thread(target=self._find_out, args=(asking,), name=f"health of {self.name}", daemon=True).start()
        return asking

    def outcome(self) -> Outcome:
        """Return what is known now, without waiting."""
        now = time.monotonic()
        with self._lock:
            late = now - self._began - self.limit_seconds
            if self._asking is not None and late >= 0:
                return Outcome(f"no answer within {self.limit_seconds:g} s", late)
            if self._found_at is None:
                return Outcome(self._found, 0.0, is_known=False)
            return Outcome(self._found, now - self._found_at)

    def _find_out(self, asking: "Future[None]") -> None:
        try:
            problem = self._check()
        except PipelineError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a library raises, the service stays able to answer
            # Its message may hold anything.
            problem = f"unexpected {type(error).__name__}"
        with self._lock:
            was_bad = self._found is not None and self._found_at is not None
            self._found, self._found_at, self._asking = problem, time.monotonic(), None
        if was_bad != (problem is not None):
            # Those who ask over the network are not told what is wrong.
            _log.warning("Health: %s: %s", self.name, problem or "it works again")
        asking.set_result(None)
