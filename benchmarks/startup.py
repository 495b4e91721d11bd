"""`startup`: what a process imports before it does anything, and a whole command over three small tables."""

import sys
from collections.abc import Callable
from typing import Any, Final

from benchmarks.data import Source
from benchmarks.judging import Result, Target
from benchmarks.measuring import COMMAND, Contender, compare, watched
from benchmarks.projects import project_variables, small_tables
from benchmarks.registry import Plan
from benchmarks.shapes import ORDERS
from benchmarks.storage import postgres

_IMPORT: Final = "import aggregation_pipeline.definitions"
_EXPRESSION: Final = """
tables:
  orders:
    group_by: [DATE(created_at)]
    aggregations: [{expr: SUM(amount * 2), alias: double}]
    where: amount > 10 AND status <> 'pending'
"""


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Compare with `import dagster` alone, from the start of the process to its end."""
    few = source.fill(ORDERS, 10)
    with postgres(source, report) as new_database:
        given: dict[str, Any] = {"address": source.address, "url": new_database(), "folder": str(source.folder)}
        three = project_variables(**given, config=small_tables(few, 3), OUTPUT_FORMAT="all")
        expressions = project_variables(**given, config=_EXPRESSION, OUTPUT_FORMAT="all")
        command = watched([*COMMAND, "run", "--json"], three)
        # The first run makes Dagster's tables.
        command()
        contenders = [
            Contender("import dagster", watched([sys.executable, "-c", "import dagster"])),
            _ours("ours, without expressions in the config", watched([sys.executable, "-c", _IMPORT], three), 1.6),
            _ours("ours, with expressions in the config", watched([sys.executable, "-c", _IMPORT], expressions), 1.8),
            _ours("ours, run --json of three tables of ten rows", command, 3.0),
        ]
        return compare("start", contenders, rounds=plan.rounds_of(5), paired=True, report=report)


def _ours(name: str, run: Callable[[], Any], limit: float) -> Contender:
    return Contender(name, run, targets=(Target("ratio", limit),), is_ours=True)
