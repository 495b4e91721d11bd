"""The list of benches. A new one is a module with `run`, and a name here."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.data import Source
from benchmarks.judging import Result

# Modules of this package whose `run(source, plan, report)` measures something.
BENCHES: Final = (
    "source",
    "snapshot",
    "formats",
    "readers",
    "postgresql",
    "oss",
    "backfill",
    "executors",
    "batch_jobs",
    "definitions",
    "startup",
    "small_tables",
    "memory",
)


@dataclass(frozen=True)
class Plan:
    """How to measure.

    Attributes:
        rounds: how often.
        peers: whether others are measured too; ours and the baselines always are.
        large: rows of the large tables: for the aggregate, the days, and whether memory grows.
    """

    rounds: int
    peers: bool
    large: int

    def rounds_of(self, usual: int) -> int:
        """Return how often to measure what needs another number of rounds than the rest; one round stays one."""
        return usual if self.rounds > 1 else 1


def bench(name: str) -> Callable[[Source, Plan, Callable[[str], None]], list[Result]]:
    """Return the function that runs the bench of this name."""
    run: Callable[[Source, Plan, Callable[[str], None]], list[Result]] = importlib.import_module(
        f"{__package__}.{name}"
    ).run
    return run
