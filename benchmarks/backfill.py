"""`backfill`: a year of daily partitions in one run, compared with the same rows in a table without partitions."""

import logging
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

import pymysql

from aggregation_pipeline.embedded.postgres import THROWAWAY_OPTIONS, start_postgres
from benchmarks.data import Source
from benchmarks.measuring import Contender, Result, Target, compare, probe
from benchmarks.registry import Plan

DAYS: Final = 365
FIRST: Final = date(2025, 11, 1)
LAST: Final = FIRST + timedelta(days=DAYS - 1)
# In the order of time, like real orders, and with the index that the column of a partition needs.
_TABLE: Final = "CREATE TABLE a_year LIKE orders"
_INDEX: Final = "ALTER TABLE a_year ADD KEY (created_at)"
_ROWS: Final = f"""
INSERT INTO a_year SELECT id, user_id, amount, city, status, note,
  '{FIRST}' + INTERVAL FLOOR((id - 1) * {DAYS} * 86400 / {{rows}}) SECOND
FROM orders"""


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Run both through Dagster as `aggregation-pipeline run` and `backfill` do, to Parquet and CSV.

    Events and the row of batch_jobs are written to PostgreSQL.
    """
    logging.disable(logging.INFO)
    _fill(source)
    server = start_postgres(source.folder / "postgres", report=report, options=THROWAWAY_OPTIONS)
    try:
        server.execute("CREATE DATABASE backfill")
        return _measure(source, server.url("backfill"), plan, report)
    finally:
        server.stop()
        logging.disable(logging.NOTSET)


def _fill(source: Source) -> None:
    with pymysql.connect(**source.address, autocommit=True) as connection, connection.cursor() as cursor:
        for statement in (_TABLE, _ROWS.format(rows=source.rows), _INDEX, "ANALYZE TABLE a_year"):
            cursor.execute(statement)


def _measure(source: Source, url: str, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    given: dict[str, Any] = {"address": source.address, "url": url, "folder": str(source.folder)}
    contenders = [
        Contender("one run without partitions", probe("whole_runs:whole", **given), is_ours=True),
        Contender(f"one run over {DAYS} days", probe("whole_runs:by_day", **given), is_ours=True),
        Contender(
            "its events alone, stock Dagster", probe("whole_runs:events_again", stock=True, **given), is_ours=True
        ),
        Contender(
            "its events alone, our storage", probe("whole_runs:events_again", stock=False, **given), is_ours=True
        ),
    ]
    results = compare(f"{source.rows:,} rows, {DAYS} days", contenders, rounds=plan.rounds, paired=False, report=report)
    whole, days = results[0].seconds or 0.0, results[1].seconds or 0.0
    less = []
    for events in results[2:]:
        own = events.seconds or 0.0
        events.note = f"{events.rows or 0:,} events, {1000 * own / (events.rows or 1):.1f} ms each"
        less.append(
            Result(
                events.bench,
                f"the days less {events.name}",
                seconds=days - own,
                ratio=(days - own) / whole,
                is_ours=True,
            )
        )
    less[0].targets = (Target("ratio", 2.0),)
    return [*results, *less]
