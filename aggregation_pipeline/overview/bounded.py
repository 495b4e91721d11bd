"""Questions to Dagster's storage, whose statements have no time limit: a frozen server holds for hours who asks it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, ParamSpec, TypeVar

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.health.dagster_storage import outage_of_storage

_P = ParamSpec("_P")
_T = TypeVar("_T")
_SECONDS: Final = 3.0
# More than ask at the same time while all is well.
_MOST: Final = 8


class Bounded:
    """Asks in threads of their own. May be used from any thread.

    A question without an answer keeps its thread until the server answers or is gone. There are never more than a few.
    """

    def __init__(self, seconds: float = _SECONDS, most: int = _MOST) -> None:
        self._seconds = seconds
        self._free = threading.BoundedSemaphore(most)

    def __call__(self, ask: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what `ask` returns, or raise what it raises.

        Raises:
            SettingsError: Dagster's PostgreSQL refuses, does not answer in time, or owes too many answers already.
        """
        future = Future[_T]()
        if not self._free.acquire(blocking=False):
            raise SettingsError("Dagster's PostgreSQL does not answer (others wait for it)")

        def work() -> None:
            try:
                future.set_result(ask(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                future.set_exception(error)
            finally:
                self._free.release()

        # A daemon thread does not keep the process from ending.
        threading.Thread(target=work, name="what pages ask Dagster", daemon=True).start()
        try:
            with outage_of_storage():
                return future.result(self._seconds)
        except TimeoutError:
            raise SettingsError(f"Dagster's PostgreSQL does not answer (nothing within {self._seconds:g} s)") from None
