"""Waits for runs to end. However many requests wait, Dagster is asked once a second, for all of their runs."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Final

from aggregation_pipeline.errors import NotReadyError

_PAUSE_SECONDS: Final = 1.0


class RunWatch:
    """`ask` returns which of the runs with these ids have ended; it may raise NotReadyError."""

    def __init__(self, ask: Callable[[Collection[str]], Awaitable[Collection[str]]]) -> None:
        self._ask = ask
        # The runs that each of those who wait still waits for.
        self._waiting: dict[asyncio.Event, set[str]] = {}
        self._task: asyncio.Task[None] | None = None

    async def until_over(self, run_ids: Collection[str], seconds: float) -> None:
        """Return when these runs have ended, or when the time is over."""
        over = asyncio.Event()
        self._waiting[over] = set(run_ids)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await over.wait()
        finally:
            del self._waiting[over]

    async def _look(self) -> None:
        while self._waiting:
            # While PostgreSQL is away, nothing is known to have ended.
            with suppress(NotReadyError):
                ended = await self._ask(frozenset[str]().union(*self._waiting.values()))
                for over, run_ids in self._waiting.items():
                    run_ids.difference_update(ended)
                    if not run_ids:
                        over.set()
            await asyncio.sleep(_PAUSE_SECONDS)
