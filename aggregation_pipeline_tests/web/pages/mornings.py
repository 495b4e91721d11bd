"""What the pages show, made by hand: a morning on which much is wrong, with names and texts of every kind."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from aggregation_pipeline.batch_jobs.buckets import Counts
from aggregation_pipeline.batch_jobs.pages import Position
from aggregation_pipeline.config.sql.table_names import as_segment
from aggregation_pipeline.overview.batches import Batch, BatchDetail, BatchError, BatchFile, BatchPage, BatchPlatform
from aggregation_pipeline.overview.concerns import CODES, Concern
from aggregation_pipeline.overview.days import DAYS
from aggregation_pipeline.overview.history import Day, Hours
from aggregation_pipeline.overview.morning import Morning
from aggregation_pipeline.overview.one_batch import Change, Difference, OneBatch, TableChange, TableInBatch
from aggregation_pipeline.overview.one_table import OneTable
from aggregation_pipeline.overview.run_detail import CheckOutcome, RunDetail
from aggregation_pipeline.overview.schedules import NextTick
from aggregation_pipeline.overview.table_lines import STATES, LastBatch, TableLine, TableStateCode
from aggregation_pipeline.overview.usual import Usual
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.latest_checks import LatestCheck
from aggregation_pipeline.runs.refresh_cursor import Asked

ZONE: Final = ZoneInfo("Asia/Shanghai")
# 09:12 there.
NOW: Final = datetime(2026, 11, 20, 1, 12, 30, tzinfo=UTC)
HOSTILE: Final = "<script>alert(1)</script>\"'&{{ 7*7 }}</title><img src=x onerror=alert(1)>"
LONG: Final = "very_long_" * 20
NAMES: Final = ("orders", "order_items", "用户 明细", "shop/订单", f"x{HOSTILE}", LONG, '日志`"quoted"\'', "refunds")
ERROR: Final = (
    "Table orders: MySQL refused the query: Unknown column 'amuont' in 'field list' (1054). The column was most likely"
    " renamed or dropped. Correct aggregations.field in aggregation.yaml; the nearest column is `amount`."
)
LONG_ERROR: Final = f"{HOSTILE}\n" + "A line of a stack that nobody reads to its end.\n" * 210
BATCH_IDS: Final = [str(UUID(int=0x1A2B3C4D << 96 | number << 64 | 7)) for number in range(60)]


def line(number: int, name: str, state: TableStateCode) -> TableLine:
    hours = 2.5 if state not in {"late", "missed"} else 30.0
    is_known = state != "never"
    failed = state == "failed"
    return TableLine(
        name=name,
        platform=name,
        owners=("data@example.com", "team:finance", f"team:{HOSTILE}")[: number % 4],
        group=None,
        state=state,
        newest_window="2026-11-19" if is_known else None,
        published_at=NOW - timedelta(hours=hours) if is_known else None,
        age_seconds=hours * 3600 if is_known else None,
        late_after_seconds=26 * 3600.0 if number % 3 else None,
        late=(hours > 26 if is_known else None) if number % 3 else None,
        missed_at=NOW - timedelta(hours=1) if state == "missed" else None,
        missed_window="2026-11-19" if state == "missed" else None,
        rows={"summary": 12 * number + 3, "detail": 1_234_567 * (number + 1)} if is_known else {},
        running=state == "running",
        last=LastBatch(
            BATCH_IDS[number % 60],
            "failed" if failed else "completed",
            NOW - timedelta(hours=hours),
            (LONG_ERROR if number % 2 else ERROR) if failed else None,
        )
        if is_known
        else None,
        failed_checks=int(state == "check_failed"),
        warned_checks=0,
        schedule="daily_schedule",
        next_tick=datetime(2026, 11, 21, 6, 30, tzinfo=ZONE),
        stopped=number == 3,
    )


def batch(number: int, status: str | None, *, names: Sequence[str] = NAMES[:2], error: str | None = None) -> Batch:
    began = NOW - timedelta(minutes=30 * number + 3)
    is_open = status in {"pending", "in_progress"}
    return Batch(
        id=BATCH_IDS[number],
        job_type="data_collection",
        status=status,
        created_at=began - timedelta(seconds=12),
        started_at=None if status == "pending" else began,
        completed_at=None if is_open else began + timedelta(seconds=154),
        seconds=None if is_open else 154.2,
        items=None if is_open else 2_469_137,
        planned=tuple(names),
        processed=() if is_open else tuple(names),
        partition="2026-11-19",
        schedule="daily_schedule" if number % 2 else None,
        deployment="shop",
        run_id=BATCH_IDS[number],
        error=error,
        error_table=names[0] if error else None,
    )


def days(scale: float) -> list[Day]:
    found = []
    for number in range(DAYS):
        start = datetime(2026, 10, 22, tzinfo=ZONE) + timedelta(days=number)
        wave = 1 + 0.15 * math.sin(number * 1.7) - (0.55 if number == DAYS - 1 else 0)
        counts = Counts(
            completed=round(96 * wave * scale),
            failed=(number % 9 == 4) * 3 + (number == DAYS - 1) * 2,
            open=2 if number == DAYS - 1 else 0,
            rows=round(48_000_000 * wave * scale),
            seconds=5400 * wave * scale,
            bytes=round(9e9 * wave * scale),
        )
        found.append(Day(start.date(), start, start + timedelta(days=1), Counts() if number == 3 else counts))
    return found


def hours(names: Sequence[str]) -> Hours:
    start = datetime(2026, 11, 20, tzinfo=ZONE)
    tables = {
        name: {
            hour: Counts(completed=1 + hour % 2, rows=1000)
            if (number + hour) % 5
            else Counts(failed=1, completed=hour % 2)
            for hour in range(10)
            if (hour + number) % (1 + number % 4) == 0
        }
        for number, name in enumerate(names)
    }
    tables[names[0]][9] = Counts(open=1)
    tables[names[1]][8] = Counts(skipped=1)
    totals = {hour: Counts(completed=12 - hour, failed=int(hour == 4), open=2 * (hour == 9)) for hour in range(10)}
    starts = [start + timedelta(hours=number) for number in range(24)]
    return Hours(start.date(), starts, start + timedelta(days=1), tables, totals)


def bad_morning(tables: int = 8) -> Morning:
    names = [*NAMES, *(f"table_{number:03}" for number in range(len(NAMES), tables))]
    states: list[TableStateCode] = [*STATES, *STATES]
    states += ["ok"] * len(names)
    lines = [line(number, name, state) for number, (name, state) in enumerate(zip(names, states, strict=False))]
    concerns = [
        Concern("dependency_failing", subject="mysql", text="no answer within 2 s"),
        Concern("table_failed", table=NAMES[0], text=ERROR, since=NOW - timedelta(hours=2), batch=BATCH_IDS[0]),
        Concern("table_failed", table=NAMES[4], text=LONG_ERROR, since=NOW - timedelta(days=2), batch=BATCH_IDS[1]),
        Concern("table_missed", table=NAMES[1], since=NOW - timedelta(hours=1), window="2026-11-19"),
        Concern("table_late", table=NAMES[2], since=NOW - timedelta(hours=4)),
        Concern("table_broken", table=NAMES[3], text="aggregation.yaml:12:5: group_by: no such column."),
        Concern("check_failed", table=LONG, subject="max_rows", text="12 rows", since=NOW, batch=BATCH_IDS[2]),
        Concern("mirror_behind", text="batch_jobs is 12 min behind Dagster."),
        Concern("sensors_stopped", text="stopped: batch_jobs_on_success"),
        Concern("schedule_stopped", subject="daily_schedule"),
        Concern("check_warned", table=NAMES[0], subject=HOSTILE, text=HOSTILE, since=NOW),
    ]
    counts = {code: count for code in CODES if (count := sum(each.code == code for each in concerns))}
    return Morning(
        at=NOW,
        zone=ZONE,
        ages={"dagster": 1.2, "batch_jobs": 2.0, "history": 40.0},
        away=(),
        concerns=concerns,
        concern_counts=counts,
        tables=lines,
        today=hours(names),
        days=days(1.0),
        days_from=None,
        usual_rows=Usual(44e6, 48e6, 53e6, 28),
        usual_seconds=Usual(4800.0, 5300.0, 6000.0, 28),
        open_batches=[
            batch(0, "in_progress"),
            batch(1, "pending", names=NAMES),
            batch(2, "in_progress", names=[LONG, HOSTILE], error=LONG_ERROR),
        ],
        schedules=[tick()],
        table_days={},
    )


def good_morning() -> Morning:
    bad = bad_morning()
    lines = [line(number, name, "ok") for number, name in enumerate(NAMES[:4])]
    return replace(bad, concerns=(), concern_counts={}, tables=lines, open_batches=())


def tick() -> NextTick:
    at = datetime(2026, 11, 21, 6, 30, tzinfo=ZONE)
    due = at - timedelta(days=1)
    return NextTick(
        "daily_schedule", "daily", NAMES[:4], ("30 6 * * *",), "Asia/Shanghai", at, stopped=False, due_at=due,
        due_partition=None,
    )  # fmt: skip


def file(table: str, kind: str, dataset: str) -> BatchFile:
    uri = Path(f"/exports/{as_segment(table)}/2026-11-19/{as_segment(table)}.{dataset}.{kind}").as_uri()
    return BatchFile(table, kind, dataset, uri, 12, 3_456_789, "1")


def one_table(name: str, morning: Morning) -> OneTable | None:
    found = next((each for each in morning.tables if each.name == name), None)
    if found is None:
        return None
    return OneTable(
        line=found,
        description=f"Orders by status and day.\n{HOSTILE}",
        schedule=tick(),
        files=[file(name, kind, "summary") for kind in ("csv", "json", "xlsx")],
        files_window="2026-11-19",
        checks=[
            LatestCheck(segment(name), each.name, each.partition, each.passed, each.severity, each.message, NOW, "1")
            for each in checks(name)
        ],
        batches=[batch(3, "failed", error=ERROR), *(batch(number, "completed") for number in range(4, 9))],
        more_batches=True,
        days=days(0.01),
        refresh=Asked(NOW, windows=14, launched=2, waiting=1, since=NOW, problem=HOSTILE),
        usual_rows=Usual(4.4e5, 4.8e5, 5.3e5, 28),
        usual_seconds=None,
    )


def checks(name: str) -> list[CheckOutcome]:
    return [
        CheckOutcome(name, "max_rows", "2026-11-19", passed=False, severity="error", message="12 rows, at most 2"),
        CheckOutcome(name, HOSTILE, None, passed=False, severity="warn", message=LONG_ERROR),
        CheckOutcome(name, "not_empty", None, passed=True, severity="error", message=None),
    ]


def one_batch(batch_id: UUID) -> OneBatch | None:
    if str(batch_id) not in BATCH_IDS:
        return None
    whole = replace(batch(0, "failed", names=NAMES, error=ERROR), id=str(batch_id))
    stages = {"read": 61.0, "render": 20.5, "publish": 9.25}
    tables = [
        TableInBatch(
            name,
            name,
            ("completed", "failed", "skipped", "completed")[number % 4],
            1,
            1 + number % 2,
            1_234_567 * number,
            120.0 / (number + 1),
            {} if number == 2 else {stage: taken / (number + 1) for stage, taken in stages.items()},
            9_876_543 * number,
            3,
        )
        for number, name in enumerate(NAMES)
    ]
    platforms = tuple(
        BatchPlatform(n, "completed", (n,), 5, 1, 1, 2.0, 100, None, (file(n, "csv", "detail"),), 0) for n in NAMES
    )
    errors = (
        BatchError(NAMES[0], NAMES[0], "aggregate_orders", ERROR, NOW),
        BatchError(None, None, None, LONG_ERROR, NOW),
    )
    changes = [
        TableChange(NAMES[0], ("failed", "completed"), Change(0, 12_000), Change(0, 9e6), Change(80.0, 20.0)),
        TableChange(LONG, ("completed", "completed"), Change(13_500, 12_000), Change(9e6, 8e6), Change(20.0, 19.0)),
    ]
    figures = Change(1_200_000, 1_000_000), Change(5e9, 5e9), Change(154.2, 120.0)
    difference = Difference(batch(1, "completed"), *figures, changes, ["新表"], [HOSTILE])
    detail = BatchDetail(whole, platforms, errors, 12.0, 154.2, 300.0, "The row was too large.")
    return OneBatch(batch_id, detail, tables, RunDetail((), tuple(checks(NAMES[0]))), difference)


class Reads:
    """Answers as an Overview does, with what a test has put here."""

    def __init__(self, morning: Morning) -> None:
        self.now = morning

    async def morning(self) -> Morning:
        return self.now

    def table(self, name: str, morning: Morning) -> OneTable | None:
        return one_table(name, morning)

    def batch(self, batch_id: UUID) -> OneBatch | None:
        return one_batch(batch_id)

    def day(
        self, day: date, status: str | None, table: str | None, after: Position | None, morning: Morning
    ) -> BatchPage:
        del table, morning
        if day.month != 11:
            return BatchPage((), None)
        tick = "daily 2026-11-19T18:00:00+00:00"
        found = [batch(number, status or "failed", error=ERROR) for number in range(3)]
        found[1:] = [replace(each, tick=tick) for each in found[1:]]
        return BatchPage(tuple(found), None if after else Position(NOW, UUID(BATCH_IDS[2])))
