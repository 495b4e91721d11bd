"""Asking what answers in threads of its own, without waiting for long."""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Protocol

from aggregation_pipeline.health.probe import LIMIT_SECONDS


class Asked(Protocol):
    """A probe, or a source of metrics."""

    def ask(self) -> Future[None] | None:
        """Ask, unless the answer is known. Return what is done when it is there; None: there is nothing to wait for."""


async def ask_all(asked: Iterable[Asked]) -> None:
    """Ask all whose state is not known, and wait for their answers, but not for long.

    In the event loop: what waits for a thread of the server may wait behind Dagster's queries.
    """
    answers = [asyncio.wrap_future(asking) for each in asked if (asking := each.ask()) is not None]
    if answers:
        # A little longer than they wait, so that they agree that the time is over.
        await asyncio.wait(answers, timeout=LIMIT_SECONDS + 0.05)
