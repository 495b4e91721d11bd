"""The list of benches. A new one is a module with `run`, and a line here."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from benchmarks.data import Source
from benchmarks.measuring import Result

# By name: the module of this package whose `run(source, plan, report)` measures it.
BENCHES: Final = {
    "source": "source",
    "formats": "formats",
    "readers": "readers",
    "oss": "oss",
    "backfill": "backfill",
    "executors": "executors",
    "batch_jobs": "batch_jobs",
    "definitions": "definitions",
}


@dataclass(frozen=True)
class Plan:
    """How to measure. With `peers`, others are measured too; ours and the baselines always are."""

    rounds: int
    peers: bool


def bench(name: str) -> Callable[[Source, Plan, Callable[[str], None]], list[Result]]:
    """Return the function that runs the bench of this name."""
    run: Callable[[Source, Plan, Callable[[str], None]], list[Result]] = importlib.import_module(
        f"{__package__}.{BENCHES[name]}"
    ).run
    return run
