"""The moment that a run stands for, and the name of its window.

Logical time is the tick of the schedule, or the creation of a run that was launched by hand. Re-executions keep it.
No step reads the clock instead.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary
from zoneinfo import ZoneInfo

from dagster import DagsterInstance, DagsterRun

from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.runs.tags import LOGICAL_TIME_TAG, WINDOW_TAG

_DAY: Final = "%Y-%m-%d"
_MINUTE: Final = "%Y-%m-%dT%H%M"
# Before it, names of windows get shorter, and the calendar of Python ends.
_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
# The clocks of two machines may differ by this much.
_CLOCK_SKEW: Final = timedelta(hours=1)
# The run that was asked about last, and when it was created. Each of its tables asks, and a run's record is the larger
# the more tables it has.
_newest_creation: "Final[WeakKeyDictionary[DagsterInstance, tuple[str, datetime]]]" = WeakKeyDictionary()


def daily_window(moment: datetime, zone: ZoneInfo) -> str:
    """Name the window of a schedule that ticks at most once a day: `2026-11-20`."""
    return moment.astimezone(zone).strftime(_DAY)


def minute_window(moment: datetime, zone: ZoneInfo) -> str:
    """Name the window of a manual run, or of a schedule that ticks more than once a day: `2026-11-20T1400`."""
    return moment.astimezone(zone).strftime(_MINUTE)


def require_window(text: str, zone: ZoneInfo, *, where: str) -> str:
    """Return `text` if it is the name of a window without a partition. `where` is where it was read.

    Windows are ordered by their names, and `latest.json` shows the last one. A name that is no time, or a time in the
    future, would stay the last forever.

    Raises:
        ConfigError: the text is no such name, or lies in the future.
    """
    for form in (_DAY, _MINUTE):
        with suppress(ValueError):
            moment = datetime.strptime(text, form).replace(tzinfo=zone)
            if moment.strftime(form) == text:
                require_past(moment, where=f"{where}: the window {text}")
                return text
    raise ConfigError(
        f"{where}: {text!r} is no name of a window. Expected a day, 2026-11-20, or a minute, 2026-11-20T1400"
    )


def require_past(moment: datetime, *, where: str) -> None:
    """Raise ConfigError for a moment in the future, whose rows do not exist yet, and for one before 1970."""
    if moment < _FIRST:
        raise ConfigError(f"{where} lies before 1970. A run can only stand for a moment since then")
    if moment > datetime.now(UTC) + _CLOCK_SKEW:
        raise ConfigError(f"{where} lies in the future. A run can only stand for a moment that has passed")


def tick_tags(moment: datetime, zone: ZoneInfo, *, more_than_daily: bool) -> dict[str, str]:
    """Return the tags that tell a scheduled run its logical time and its window."""
    window = minute_window(moment, zone) if more_than_daily else daily_window(moment, zone)
    return {LOGICAL_TIME_TAG: moment.astimezone(UTC).isoformat(), WINDOW_TAG: window}


def tick_name(job: str, moment: datetime) -> str:
    """Return what the runs of one tick have in common: `aggregate 2026-11-20T02:00:00+00:00`."""
    return f"{job} {moment.astimezone(UTC).isoformat()}"


def logical_time(run: DagsterRun, instance: DagsterInstance) -> datetime:
    """Return the moment that `run` stands for, in UTC.

    Raises:
        ConfigError: its tag is no time with an offset, or lies in the future.
    """
    tag = run.tags.get(LOGICAL_TIME_TAG)
    if tag is not None:
        where, moment = f"the run's tag {LOGICAL_TIME_TAG}", None
        with suppress(ValueError):
            moment = datetime.fromisoformat(tag)
        if moment is None or moment.tzinfo is None:
            raise ConfigError(
                f"{where}: {tag!r} is no time with an offset. Expected one like 2026-11-20T02:00:00+08:00"
            )
        require_past(moment, where=f"{where}: {tag}")
        return moment.astimezone(UTC)
    return _creation(run, instance)


def _creation(run: DagsterRun, instance: DagsterInstance) -> datetime:
    known = _newest_creation.get(instance)
    if known is not None and known[0] == run.run_id:
        return known[1]
    # A re-execution from the UI stands for the same moment as the first run.
    record = instance.get_run_record_by_id(run.root_run_id or run.run_id) or instance.get_run_record_by_id(run.run_id)
    if record is None:
        return datetime.now(UTC)
    moment = record.create_timestamp.astimezone(UTC)
    _newest_creation[instance] = run.run_id, moment
    return moment


def named_window(tags: Mapping[str, str], moment: datetime, zone: ZoneInfo) -> str:
    """Return the name of the window that a run with these tags publishes for tables without partitions.

    Raises:
        ConfigError: its tag is no name of a window.
    """
    tag = tags.get(WINDOW_TAG)
    return (
        minute_window(moment, zone) if tag is None else require_window(tag, zone, where=f"the run's tag {WINDOW_TAG}")
    )
