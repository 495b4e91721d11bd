"""`definitions`: how long a project of many tables takes to load. Every run and every reload waits for that."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks.data import Source
from benchmarks.judging import Result, Target
from benchmarks.measuring import Contender, compare, probe, watched
from benchmarks.registry import Plan

# Processor seconds. They depend on the machine; the ratio to `import dagster`, which is shown beside, does so less.
_MOST_SECONDS: Final = {100: None, 1_000: 2.5, 10_000: 25.0}
_ENTRY: Final = """
  table_{number}:
    group_by: [status, DATE(created_at)]
    aggregations:
      - {{function: COUNT, alias: n}}
      - {{expr: SUM(price * quantity), alias: revenue}}
    select_fields: [id, status, price]
    where: status <> 'draft'
"""
_PARTITION: Final = "    partition: {column: created_at, every: day, start: 2026-01-01}\n"


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Measure 100, 1,000 and 10,000 tables beside `import dagster`, without the imports of ours."""
    contenders = [Contender("import dagster", watched([sys.executable, "-c", "import dagster"]))]
    few = _config(source.folder, 2)
    for count, most in _MOST_SECONDS.items():
        load = probe("loading:load", path=_config(source.folder, count), few=few)
        targets = () if most is None else (Target("processor", most),)
        note = "half of them partitioned, four formats each, expressions"
        contenders.append(Contender(f"{count:,} tables", load, note, targets, is_ours=True))
    return compare("load the definitions", contenders, rounds=plan.rounds, paired=True, report=report)


def _config(folder: Path, count: int) -> str:
    """Write a configuration of so many tables, and return its path."""
    path = folder / f"tables-{count}.yaml"
    entries = (_ENTRY.format(number=number) + (_PARTITION if number % 2 else "") for number in range(count))
    path.write_text("tables:" + "".join(entries), encoding="utf-8")
    return str(path)
