"""A few threads for what waits for a server or a disk, so that the event loop never does.

A server that is frozen holds the threads that have asked it. There are no more than a few, and who finds none free, or
gets no answer in time, is told so.
"""

import asyncio
import functools
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Final, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Call = tuple["Future[Any]", Callable[[], Any]]
# A queue that is longer than what is answered in time only costs memory.
_WAITING: Final = 64


class Workers:
    """Up to `threads` threads at a time, and up to `waiting` calls that wait for one.

    `refuse` makes the error for a call that gets no answer, of a text that says why; `what` is what is waited for.
    """

    def __init__(
        self, what: str, *, threads: int, seconds: float, refuse: Callable[[str], Exception], waiting: int = _WAITING
    ) -> None:
        self._what = what
        self._seconds = seconds
        self._refuse = refuse
        self._most_threads, self._most_waiting = threads, waiting
        self._lock = threading.Lock()
        self._threads = 0
        self._waiting: deque[_Call] = deque()

    async def run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Return what `work` returns, or raise what it raises. Once it has begun, it goes on in its thread to its end.

        Raises:
            Exception: what `refuse` makes: there was no answer in time, or too many others wait.
        """
        future = Future[_T]()
        self._add((future, functools.partial(work, *args, **kwargs)))
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise self._refuse(f"{self._what} took longer than {self._seconds:g} s") from None

    def _add(self, call: _Call) -> None:
        with self._lock:
            if self._threads < self._most_threads:
                self._threads += 1
                # Unlike those of a ThreadPoolExecutor, such a thread does not keep the process from ending.
                threading.Thread(target=self._work, args=(call,), name=self._what, daemon=True).start()
                return
            if len(self._waiting) >= self._most_waiting:
                # Those whose time is over wait no more.
                self._waiting = deque(each for each in self._waiting if not each[0].cancelled())
            if len(self._waiting) >= self._most_waiting:
                raise self._refuse(f"Too many requests wait for {self._what}")
            self._waiting.append(call)

    def _work(self, call: _Call | None) -> None:
        while call is not None:
            _do(*call)
            with self._lock:
                call = self._waiting.popleft() if self._waiting else None
                if call is None:
                    self._threads -= 1


def _do(future: "Future[Any]", work: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            future.set_exception(error)
