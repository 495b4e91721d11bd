"""`memory`: the peak of the process that users run, `aggregation-pipeline run`, for small, large and larger tables."""

from collections.abc import Callable
from typing import Final

from benchmarks.data import Source
from benchmarks.judging import Result, Target
from benchmarks.measuring import COMMAND, Contender, alone, watched
from benchmarks.projects import project_variables
from benchmarks.registry import Plan
from benchmarks.shapes import ORDERS
from benchmarks.storage import postgres

_FORMATS: Final = ("parquet", "csv", "json", "excel")
_FEW: Final = 10
_PEAK_MB: Final = 290
_PEAK_MB_OF_FEW: Final = 230


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Run each format of each size: all rows of a table, with Dagster's events and the row of batch_jobs."""
    results = []
    with postgres(source, report) as new_database:
        url = new_database()
        for rows in (_FEW, source.rows, plan.large):
            config = f"tables: {{{source.fill(ORDERS, rows)}: {{select_fields: ['*']}}}}"
            limit = Target("peak_rss_mb", _PEAK_MB_OF_FEW if rows == _FEW else _PEAK_MB)
            contenders = []
            for name in _FORMATS:
                variables = project_variables(source.address, url, str(source.folder), config, OUTPUT_FORMAT=name)
                command = watched([*COMMAND, "run", "--json"], variables)
                contenders.append(Contender(name, command, targets=(limit,), is_ours=True))
            results += alone(f"run process, {rows:,} rows", contenders, rounds=plan.rounds_of(2), report=report)
    return results
