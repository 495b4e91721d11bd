"""`definitions`: how long a project of 1,000 tables takes to load. Every run and every reload waits for that."""

from collections.abc import Callable

from benchmarks.data import Source
from benchmarks.measuring import Contender, Result, compare, probe
from benchmarks.registry import Plan

_ENTRY = """
  table_{number}:
    group_by: [status, DATE(created_at)]
    aggregations:
      - {{function: COUNT, alias: n}}
      - {{expr: SUM(price * quantity), alias: revenue}}
    select_fields: [id, status, price]
    where: status <> 'draft'
"""
_PARTITION = "    partition: {column: created_at, every: day, start: 2026-01-01}\n"


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Measure 100 and 1,000 tables: the ratio says whether the time grows faster than the number of tables."""
    contenders = []
    for count in (100, 1_000):
        path = source.folder / f"tables-{count}.yaml"
        entries = (_ENTRY.format(number=number) + (_PARTITION if number % 2 else "") for number in range(count))
        path.write_text("tables:" + "".join(entries), encoding="utf-8")
        load = probe("loading:load", path=str(path))
        note = "half of them partitioned, four formats each; target 4 s" if count == 1_000 else ""
        contenders.append(Contender(f"{count:,} tables", load, note=note, is_ours=True))
    return compare("load the definitions", contenders, rounds=plan.rounds, paired=False, report=report)
