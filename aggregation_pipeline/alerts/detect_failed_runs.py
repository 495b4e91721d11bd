"""Detects runs that failed, of tables or of the files of `compat: node`, and what is published again.

It reads Dagster's records of runs, so it does not matter which events a sensor missed.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Final

from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from aggregation_pipeline.alerts.chat_text import one_line
from aggregation_pipeline.alerts.incidents import Incident, IncidentDetails, MonitoredTable, OpenIncident
from aggregation_pipeline.alerts.monitored import Detected, last_good_files
from aggregation_pipeline.runs.asset_keys import MANIFEST, export_path, is_node_files, parse_asset_key, table_path
from aggregation_pipeline.runs.event_log import node_files_events, run_events
from aggregation_pipeline.runs.model import Event, Failed, Finished, Planned, RunInfo
from aggregation_pipeline.runs.run_records import LATE_UPDATES, UNFINISHED, run_info, runs_since
from aggregation_pipeline.runs.tags import AUTO_RETRY_RUN_ID_TAG, PARTITION_NAME_TAG, TICK_TAG, WILL_RETRY_TAG

# Dagster decides on a retry after the failure, and writes the tag a moment later.
_UNDECIDED: Final = timedelta(seconds=15)
# A retry that was promised and has not begun by then may never begin: somebody should look.
_RETRY_PATIENCE: Final = timedelta(minutes=15)
# Failures of one tick are told together, at its end. After this time nobody waits for its other runs.
_TICK_PATIENCE: Final = timedelta(hours=1)
_PAGE: Final = 200


@dataclass
class FailedRuns(Detected):
    """What one look at the runs found.

    Attributes:
        watermark: the next look begins there.
        waiting: ids of failed runs that may still be retried, or whose tick has not ended.
        ticks: whether a tick goes on, by its tag, as far as it was asked.
    """

    watermark: datetime = field(kw_only=True)
    waiting: list[str] = field(default_factory=list)
    ticks: dict[str, bool] = field(default_factory=dict)


class _Decision(Enum):
    """Whether a failed run is an incident."""

    INCIDENT = auto()
    WAIT = auto()
    # The retry is a run of its own: if it fails, it is the incident.
    RETRIED = auto()


def detect_failed_runs(
    instance: DagsterInstance,
    *,
    watermark: datetime,
    waiting: Sequence[str],
    known: Callable[[Collection[str]], set[str]],
    foreign: set[str],
    tables: Mapping[str, MonitoredTable],
    secrets: Sequence[str],
    out_of_time: Callable[[], bool],
) -> FailedRuns:
    """Detect runs that failed since the watermark, and decide again on the `waiting` ones.

    `known` returns those of the runs that are in the outbox. `foreign` is a set that remembers, from look to look, the
    runs that are no incident. When `out_of_time` returns True, the rest is left to the next look.
    """
    found, now, seen = FailedRuns(watermark=watermark), datetime.now(UTC), set[str]()
    for is_waiting, page in _pages(instance, watermark, waiting):
        done = known([record.dagster_run.run_id for record in page])
        for record in page:
            run_id = record.dagster_run.run_id
            if run_id not in seen and run_id not in done and run_id not in foreign:
                if out_of_time():
                    # The waiting runs come first: keep those that were not reached.
                    found.waiting += [each for each in waiting if each not in seen and each not in found.waiting]
                    return found
                _add(instance, record, found, foreign, now, tables, secrets)
            seen.add(run_id)
            if not is_waiting:
                found.watermark = max(found.watermark, run_info(record).updated_at)
    # Every run was reached: the next look begins where this one did, and runs behind that are forgotten.
    found.watermark = max(found.watermark, now)
    foreign &= seen
    return found


def published_again_at(instance: DagsterInstance, incident: OpenIncident) -> datetime | None:
    """When what an incident is about was published after it: a table, its partition; None while it was not."""
    path = (incident.details.asset or "").split("/")
    key = parse_asset_key(path)
    if key is None and not is_node_files(path):
        return None
    partition = incident.details.partition
    wanted = AssetRecordsFilter(
        AssetKey(path if key is None else export_path(key.segment, MANIFEST)),
        after_timestamp=incident.at.timestamp(),
        asset_partitions=[partition] if partition else None,
    )
    records = instance.fetch_materializations(wanted, limit=1).records
    return datetime.fromtimestamp(records[0].timestamp, UTC) if records else None


def _pages(
    instance: DagsterInstance, watermark: datetime, waiting: Sequence[str]
) -> Iterator[tuple[bool, Sequence[RunRecord]]]:
    """(whether these are the waiting ones, records of failed runs)"""
    if waiting:
        wanted = RunsFilter(run_ids=list(waiting), statuses=[DagsterRunStatus.FAILURE])
        yield True, instance.get_run_records(wanted)
    for page in runs_since(instance, [DagsterRunStatus.FAILURE], watermark - LATE_UPDATES, limit=_PAGE):
        yield False, page


def _add(
    instance: DagsterInstance,
    record: RunRecord,
    found: FailedRuns,
    foreign: set[str],
    now: datetime,
    tables: Mapping[str, MonitoredTable],
    secrets: Sequence[str],
) -> None:
    """Add a failed run to what was found: as incidents, as waiting or as foreign."""
    run, info = record.dagster_run, run_info(record)
    # From either side: another machine's clock may be ahead, and the run must not wait until that time comes.
    age = abs(now - (info.completed_at or info.updated_at))
    decision = _decide(run, age)
    if decision is _Decision.INCIDENT and age < _TICK_PATIENCE and _tick_goes_on(instance, run, found.ticks):
        decision = _Decision.WAIT
    if decision is _Decision.WAIT:
        found.waiting.append(run.run_id)
        return
    incidents = _incidents(instance, info, tables, secrets) if decision is _Decision.INCIDENT else []
    found.incidents += incidents
    # Dagster stores a run a moment before what it plans, so a new run may only look foreign.
    if not incidents and age > LATE_UPDATES / 2:
        foreign.add(run.run_id)


def _tick_goes_on(instance: DagsterInstance, run: DagsterRun, known: dict[str, bool]) -> bool:
    """Whether other runs of the same tick have not ended. A tick of one run ends with it."""
    tick = run.tags.get(TICK_TAG)
    if tick is None:
        return False
    if tick not in known:
        others = RunsFilter(job_name=run.job_name, tags={TICK_TAG: tick}, statuses=UNFINISHED)
        known[tick] = bool(instance.get_runs(others, limit=1))
    return known[tick]


def _decide(run: DagsterRun, age: timedelta) -> _Decision:
    will_retry = run.tags.get(WILL_RETRY_TAG)
    if will_retry is None:
        return _Decision.WAIT if age < _UNDECIDED else _Decision.INCIDENT
    if will_retry.lower() != "true":
        return _Decision.INCIDENT
    if run.tags.get(AUTO_RETRY_RUN_ID_TAG):
        return _Decision.RETRIED
    return _Decision.WAIT if age < _RETRY_PATIENCE else _Decision.INCIDENT


def _incidents(
    instance: DagsterInstance, run: RunInfo, tables: Mapping[str, MonitoredTable], secrets: Sequence[str]
) -> list[Incident]:
    """One incident for each table that the run did not finish; none for a run that planned none of our assets."""
    events = run_events(instance, run.run_id, dict.fromkeys(tables, ""))
    if events is None:
        return _node_files_incidents(instance, run, secrets)
    at, partition = run.completed_at or run.updated_at, run.tags.get(PARTITION_NAME_TAG)
    incidents = []
    for segment, failure in _unfinished_tables(events).items():
        table = tables.get(segment, MonitoredTable(segment))
        details = IncidentDetails(
            name=table.name,
            owners=table.owners,
            error=one_line(failure.error, secrets) if failure else None,
            run_id=run.run_id,
            asset="/".join(table_path(segment)),
            files=last_good_files(instance, segment, secrets),
            partition=partition,
        )
        subject = f"table {segment}" if partition is None else f"table {segment} {partition}"
        incidents.append(Incident(f"run_failed:{run.run_id}:{segment}", "run_failed", subject, at, details))
    if not incidents:
        # Every table was published, and the run failed nevertheless.
        failure = _last_failure(events)
        error = one_line(failure.error, secrets) if failure else None
        details = IncidentDetails(name=run.job, run_id=run.run_id, error=error, partition=partition)
        incidents.append(Incident(f"run_failed:{run.run_id}:", "run_failed", None, at, details))
    return incidents


def _node_files_incidents(instance: DagsterInstance, run: RunInfo, secrets: Sequence[str]) -> list[Incident]:
    """One incident for each job whose files of `compat: node` were to be written."""
    keys, events = node_files_events(instance, run.run_id)
    failures = [event for event in events if isinstance(event, Failed)]
    # The run's own failure says only which step failed.
    failure = next((each for each in failures if each.step is not None), failures[-1] if failures else None)
    error = one_line(failure.error, secrets) if failure else None
    incidents = []
    for key in keys:
        name = "/".join(key.path)
        details = IncidentDetails(name=name, run_id=run.run_id, asset=name, error=error)
        at = run.completed_at or run.updated_at
        incidents.append(Incident(f"run_failed:{run.run_id}:{name}", "run_failed", f"asset {name}", at, details))
    return incidents


def _unfinished_tables(events: Sequence[Event]) -> dict[str, Failed | None]:
    """By key segment, why a table was not finished: its own failure, else the run's."""
    failures = {event.segment: event for event in events if isinstance(event, Failed)}
    finished = {event.segment for event in events if isinstance(event, Finished)} - set(failures)
    planned = dict.fromkeys(event.segment for event in events if isinstance(event, Planned))
    of_run = failures.get(None) or _last_failure(events)
    return {segment: failures.get(segment) or of_run for segment in planned if segment not in finished}


def _last_failure(events: Sequence[Event]) -> Failed | None:
    return next((event for event in reversed(events) if isinstance(event, Failed)), None)
