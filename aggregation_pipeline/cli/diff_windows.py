"""The windows that `diff` compares: of each table the one that is named, or the newest, if it is of the last tick."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.windows_of_run import RequestedWindow, partition_windows
from aggregation_pipeline.automation.job_groups import Group, groups_of
from aggregation_pipeline.automation.run_requests import at_tick, last_tick, windows_of
from aggregation_pipeline.comparison.compare import Sides
from aggregation_pipeline.comparison.results import TableResult
from aggregation_pipeline.config.selection import select_names
from aggregation_pipeline.errors import ComparisonError, ConfigError, StorageDamagedError, StorageNewerError
from aggregation_pipeline.project import Project
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.published import latest_window, load_manifest
from aggregation_pipeline.storage.window_names import is_window

LATEST: Final = "latest"
_SECOND: Final = timedelta(seconds=1)
# What may be wrong with the window of one table. Whatever else goes wrong, goes wrong for all of them.
_OF_ONE_TABLE: Final = (ComparisonError, ConfigError, StorageDamagedError, StorageNewerError)


def requested_windows(
    project: Project, sides: Sides, tables: Sequence[str], window: str, moment: datetime | None
) -> list[ReadRequest | TableResult]:
    """Return the window of each table, as of the tick near which the Node service wrote its file.

    A table without such a window has its result already: it is not compared, and the result says why.

    Raises:
        ComparisonError: `window` is neither a window's name nor `latest`.
    """
    if window != LATEST and not is_window(window):
        raise ComparisonError(f"--window {window}: a day such as 2026-11-20, 2026-11-20T1400 or `latest` is expected.")
    names = [table.entry.name for table in project.tables]
    wanted, now = select_names(tables, names) if tables else names, current_time()
    found: list[ReadRequest | TableResult] = []
    for group in groups_of(project):
        for table in group.tables:
            if table.entry.name not in wanted:
                continue
            try:
                found.append(_request(sides, group, table, window, moment, now))
            except _OF_ONE_TABLE as error:
                found.append(TableResult(table.entry.name, window, problem=str(error)))
    place = {name: position for position, name in enumerate(names)}
    return sorted(found, key=lambda each: place[each.table if isinstance(each, TableResult) else each.entry.name])


def current_time() -> datetime:
    """Return the moment before which the last tick is looked for."""
    return datetime.now(UTC)


def _request(
    sides: Sides, group: Group, table: ConfiguredTable, window: str, moment: datetime | None, now: datetime
) -> ReadRequest:
    asked, end = _window(table, _newest(sides, group, table, now) if window == LATEST else window)
    if moment is None:
        begin = asked.logical_time
        tick = last_tick(group, end - _SECOND)
        moment = begin if tick is None or tick < begin else tick
    elif not moment.tzinfo:
        moment = moment.replace(tzinfo=table.zone)
    request = asked.read_request(table.entry, table.entry.options.zero_dates)
    return replace(request, logical_time=moment.astimezone(UTC))


def _newest(sides: Sides, group: Group, table: ConfiguredTable, now: datetime) -> str:
    """Return the newest window, of the last tick or later: that an older one is equal says nothing of runs that fail.

    Raises:
        ComparisonError: there is none.
    """
    name = table.entry.name
    found = latest_window(sides.store, sides.prefix, name)
    if found is None:
        raise ComparisonError(
            f"table {name!r}: nothing is published yet. `aggregation-pipeline batch-jobs list` shows the runs, and"
            " which failed. If there was none, `aggregation-pipeline run` makes one."
        )
    tick = last_tick(group, now)
    spec = None if tick is None else at_tick(group, tick)
    if tick is None or spec is None:
        return found
    newest, of_tick = _window(table, found)[0], windows_of(table, spec, tick)[-1]
    if newest.name == of_tick.name or newest.logical_time >= of_tick.logical_time:
        return found
    # Windows are ordered by their names: that of a run by hand can be the last one and older than the day's tick.
    if load_manifest(sides.store, sides.prefix, name, of_tick.name) is not None:
        return of_tick.name
    raise ComparisonError(
        f"table {name!r}: no window of the last tick, {tick.astimezone(group.zone):%Y-%m-%d %H:%M}"
        f" ({group.zone.key}), is published: its run goes on, failed or never began. `aggregation-pipeline batch-jobs"
        f" list` shows which. The newest window is older; --window {found} compares it all the same."
    )


def _window(table: ConfiguredTable, window: str) -> tuple[RequestedWindow, datetime]:
    """Return a window, and the moment before which the tick was that it belongs to."""
    if table.partitions is not None:
        (asked,) = partition_windows(table, [window])
        period = asked.partition
        return asked, asked.logical_time + (period.end - period.start if period else timedelta())
    # Only partitions have hours.
    if ":" in window:
        raise ComparisonError(
            f"--window {window}: table {table.entry.name!r} has no partitions, so a day such as 2026-11-20,"
            " 2026-11-20T1400 or `latest` is expected."
        )
    day, _, minute = window.partition("T")
    begin = datetime.strptime(f"{day} {minute or '0000'}", "%Y-%m-%d %H%M").replace(tzinfo=table.zone)
    return RequestedWindow(window, begin, table.zone), begin + (_SECOND if minute else timedelta(days=1))
