"""`backfill`: a year of daily partitions in one run, compared with the same rows in a table without partitions."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, Final

from benchmarks.data import Source
from benchmarks.judging import Result, Target
from benchmarks.measuring import Contender, compare, probe, watched
from benchmarks.registry import Plan
from benchmarks.shapes import ORDERS
from benchmarks.storage import postgres

DAYS: Final = 365
FIRST: Final = date(2025, 11, 1)
LAST: Final = FIRST + timedelta(days=DAYS - 1)
# In the order of time, like real orders, and with the index that the column of a partition needs.
_TABLE: Final = "CREATE TABLE a_year LIKE orders"
_INDEX: Final = "ALTER TABLE a_year ADD KEY (created_at)"
_ROWS: Final = f"""
INSERT INTO a_year SELECT id, user_id, amount, city, status, note,
  '{FIRST}' + INTERVAL FLOOR((id - 1) * {DAYS} * 86400 / {{rows}}) SECOND
FROM {{orders}}"""
_DAY: Final = "created_at >= '{first}' AND created_at < '{end}'"


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Run both through Dagster as `aggregation-pipeline run` and `backfill` do, to Parquet and CSV.

    Events and the row of batch_jobs are written to PostgreSQL.
    """
    orders = source.fill(ORDERS, plan.large)
    rows = _ROWS.format(orders=orders, rows=plan.large)
    source.execute("DROP TABLE IF EXISTS a_year", _TABLE, rows, _INDEX, "ANALYZE TABLE a_year")
    with postgres(source, report) as new_database:
        results = _measure(source, new_database(), plan, report)
    source.execute("DROP TABLE a_year")
    return results


def _measure(source: Source, url: str, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    clauses = [f"WHERE {_DAY.format(first=day, end=day + timedelta(days=1))}" for day in _days()]
    given: dict[str, Any] = {"address": source.address, "url": url, "folder": str(source.folder)}
    contenders = [
        Contender("one run without partitions", probe("whole_runs:whole", **given), is_ours=True),
        Contender(f"one run over {DAYS} days", probe("whole_runs:by_day", **given), is_ours=True),
        _raw(source, "raw client", [""]),
        _raw(source, "raw client, day by day", clauses),
        *(
            Contender(name, probe("whole_runs:events_again", stock=stock, **given), is_ours=True)
            for name, stock in (("its events alone, our storage", False), ("its events alone, stock Dagster", True))
        ),
    ]
    results = compare(f"{plan.large:,} rows, {DAYS} days", contenders, rounds=plan.rounds, paired=False, report=report)
    scan, days, _, raw_days, *events = results
    for each in events:
        each.note = f"{each.figure('rows'):,.0f} events"
    ours, _ = events
    less = [_less(scan, days, each, "scan") for each in events]
    less[0].targets = (Target("ratio", 1.5),)
    if not raw_days.error:
        less.append(_less(raw_days, days, ours, raw_days.name))
        less[-1].name += ", beside the raw client"
    return [*results, *less]


def _raw(source: Source, name: str, clauses: Sequence[str]) -> Contender:
    """The server's own client with a statement for each clause: what the server needs to find the rows that way."""
    statements = (f"SELECT * FROM a_year {clause} ORDER BY id" for clause in clauses)
    return Contender(name, watched(source.client("; ".join(statements))))


def _days() -> list[date]:
    return [FIRST + timedelta(days=number) for number in range(DAYS)]


def _less(base: Result, days: Result, events: Result, what: str) -> Result:
    """Return the days less what their events cost, beside another way to read the rows."""
    less = Result(days.bench, f"the days less {events.name}", is_ours=True)
    less.note = f"(days - events) / {what}, round by round"
    for measure, ratio in (("seconds", "wall_ratio"), ("processor", "ratio")):
        for whole, by_day, own in zip(*(each.values[measure] for each in (base, days, events)), strict=True):
            less.add(**{measure: by_day - own, ratio: (by_day - own) / whole})
    return less
