"""Each table of the deployment, in one line."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.batch_jobs.buckets import NewestPart
from aggregation_pipeline.batch_jobs.projection import JOB_STATUSES, row_id
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.export.checks.configured import configured_checks
from aggregation_pipeline.export.checks.standard import NAMES_SET, STANDARD_CHECKS
from aggregation_pipeline.overview.dagster_state import DagsterState
from aggregation_pipeline.overview.schedules import NextTick
from aggregation_pipeline.overview.tables import Published, age_of
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.latest_checks import LatestCheck
from aggregation_pipeline.runs.model import RunInfo

# How a table is, in one word; the first that holds.
TableStateCode = Literal["failed", "missed", "late", "broken", "check_failed", "running", "unknown", "never", "ok"]
STATES: Final[tuple[TableStateCode, ...]] = get_args(TableStateCode)
# A run may have been created a little before the tick that it is for, by another clock.
_CLOCKS: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class LastBatch:
    """The newest batch of a table that has ended, of any program.

    Attributes:
        status: of the table in it: completed, failed (also if the batch failed before it came to the table) or skipped.
        at: when it ended, else when it was created.
        error: why the table failed, with the remedy; None also while batch_jobs is away.
    """

    id: str
    status: str
    at: datetime
    error: str | None


@dataclass(frozen=True)
class TableLine:
    """One table.

    Attributes:
        state: failed (its newest ended batch has), missed (a tick of its schedule), late (by its freshness), broken
            (its entry cannot be used), check_failed (an error, no warning), running, unknown (its last run is known to
            neither batch_jobs nor Dagster, or batch_jobs is away), never (nothing was published yet), ok.
        owners: e-mail addresses or team:name.
        newest_window: the newest window that was ever published; None before the first.
        published_at: when it was last published, whichever window that was, in UTC.
        age_seconds: since then.
        late_after_seconds: at which age it is late by `freshness`; None where nothing says.
        late: None where nothing says, or nothing was published yet.
        missed_at: the newest tick of its schedule if that was missed, in UTC.
        missed_window: the partition that it should have published.
        rows: rows by dataset (summary, detail) of what was published last; a dataset that is unknown is missing.
        running: whether a batch of it runs or waits.
        last: None before the first that is known. While batch_jobs is away it is what Dagster says of its last run.
        failed_checks: how many checks failed when they were last evaluated, as errors.
        warned_checks: the same, as warnings.
        schedule: the name of its schedule; None for a table that only people start.
        next_tick: in the schedule's zone; None without a schedule, and for a stopped one.
        stopped: whether somebody has stopped its schedule.
    """

    name: str
    platform: str
    owners: tuple[str, ...]
    group: str | None
    state: TableStateCode
    newest_window: str | None
    published_at: datetime | None
    age_seconds: float | None
    late_after_seconds: float | None
    late: bool | None
    missed_at: datetime | None
    missed_window: str | None
    rows: Mapping[str, int]
    running: bool
    last: LastBatch | None
    failed_checks: int
    warned_checks: int
    schedule: str | None
    next_tick: datetime | None
    stopped: bool


def current_checks(state: DagsterState) -> Sequence[tuple[str, LatestCheck]]:
    """Return the failed checks of the configured tables, with the names of their entries.

    Left out are checks that have been taken out of the configuration. A later publication did not evaluate them; of a
    partition that nobody has published since, their names tell.
    """
    tables = {segment(table.entry.name): table.entry for table in state.project.tables}
    found = ((tables[check.segment], check) for check in state.checks if check.segment in tables)
    return [(entry.name, check) for entry, check in found if not _is_over(check, entry, state.tables[entry.name])]


def table_lines(
    state: DagsterState, newest: Mapping[str, NewestPart] | None, open_tables: Mapping[str, int], now: datetime
) -> Sequence[TableLine]:
    """Return a line for each table, in the order of the configuration.

    Args:
        newest: by table, its newest batch by batch_jobs; None while that is not known.
        open_tables: by table, how many batches run or wait.
    """
    schedules = {name: tick for tick in state.schedules for name in tick.tables}
    checks = Counter((name, check.severity) for name, check in current_checks(state))
    lines = []
    for table in state.project.tables:
        name = table.entry.name
        published = state.tables[name]
        run = state.runs.get(published.last_run_id or "")
        part = None if newest is None else newest.get(name)
        lines.append(
            _line(
                table,
                published,
                schedules.get(name),
                run=run,
                part=part,
                is_open=open_tables.get(name, 0) > 0 or (run is not None and run.completed_at is None),
                checks=(checks[name, "error"], checks[name, "warn"]),
                now=now,
            )
        )
    return lines


def _line(
    table: ConfiguredTable,
    published: Published,
    schedule: NextTick | None,
    *,
    run: RunInfo | None,
    part: NewestPart | None,
    is_open: bool,
    checks: tuple[int, int],
    now: datetime,
) -> TableLine:
    entry, age = table.entry, age_of(table, published, now)
    last = _last(published, run, part)
    begun = [moment for moment in (published.at, run and run.created_at, part and part.created_at) if moment]
    missed = not is_open and _has_missed(schedule, published, begun)
    state: dict[TableStateCode, bool] = {
        "failed": last is not None and last.status == "failed",
        "missed": missed,
        "late": age.late is True,
        "broken": entry.issues is not None,
        "check_failed": checks[0] > 0,
        "running": is_open,
        "unknown": last is None and published.last_run_id is not None,
        "never": published.at is None,
        "ok": True,
    }
    return TableLine(
        name=entry.name,
        platform=entry.platform,
        owners=tuple(entry.owners),
        group=entry.group,
        state=next(code for code in STATES if state[code]),
        newest_window=published.newest_window,
        published_at=published.at,
        age_seconds=age.rounded,
        late_after_seconds=age.late_after_seconds,
        late=age.late,
        missed_at=schedule.due_at if missed and schedule else None,
        missed_window=schedule.due_partition if missed and schedule else None,
        rows=published.rows,
        running=is_open,
        last=last,
        failed_checks=checks[0],
        warned_checks=checks[1],
        schedule=None if schedule is None else schedule.schedule,
        next_tick=None if schedule is None or schedule.stopped else schedule.at,
        stopped=schedule is not None and schedule.stopped,
    )


def _last(published: Published, run: RunInfo | None, part: NewestPart | None) -> LastBatch | None:
    """Return the later one of what batch_jobs and Dagster know; of the same batch batch_jobs knows more."""
    known = None if part is None else LastBatch(part.id, part.status, part.ended_at or part.created_at, part.error)
    if run is None or run.completed_at is None or (part is not None and run.created_at <= part.created_at):
        return known
    status = "completed" if published.run_id == run.run_id else JOB_STATUSES.get(run.status, "failed")
    return LastBatch(str(row_id(run.run_id)), status, run.completed_at.astimezone(UTC), None)


def _has_missed(schedule: NextTick | None, published: Published, begun: Sequence[datetime]) -> bool:
    """Whether nothing has begun since the tick that is due, although something had before."""
    if schedule is None or schedule.due_at is None or not begun or max(begun) >= schedule.due_at - _CLOCKS:
        return False
    due, window = schedule.due_partition, published.newest_window
    return due is None or window is None or window < due


def _is_over(check: LatestCheck, entry: TableEntry, published: Published) -> bool:
    if check.partition is not None:
        asked_for = (each.name for each in configured_checks(entry.checks))
        return entry.partition is None or check.name not in {*asked_for, *STANDARD_CHECKS, NAMES_SET}
    return published.at is not None and published.at > check.at and published.run_id != check.run_id
