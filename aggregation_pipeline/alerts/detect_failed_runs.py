"""Runs that failed, and tables that run again: read from Dagster's runs, whatever a sensor may have missed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from dagster import AssetKey, AssetRecordsFilter, DagsterInstance, DagsterRun, DagsterRunStatus, RunRecord, RunsFilter

from aggregation_pipeline.alerts.chat_text import address, one_line
from aggregation_pipeline.alerts.incidents import Incident, IncidentDetails, MonitoredTable, OpenIncident
from aggregation_pipeline.runs.asset_keys import MANIFEST, export_path, parse_key, table_path
from aggregation_pipeline.runs.event_log import run_events
from aggregation_pipeline.runs.model import Failed, Finished, Planned, RunInfo
from aggregation_pipeline.runs.run_records import run_info, runs_since
from aggregation_pipeline.runs.tags import AUTO_RETRY_RUN_ID_TAG, PARTITION_NAME_TAG, URI_KEY, WILL_RETRY_TAG

# Dagster stamps a run with the time of the event, which may be stored later: the clocks of workers and long stalls fit
# in here.
OVERLAP: Final = timedelta(minutes=10)
# Dagster decides after the failure whether it will retry: it writes the tag a moment later.
_UNDECIDED: Final = timedelta(seconds=15)
# A retry that was promised and has not begun by then may never begin: somebody should look.
_RETRY_PATIENCE: Final = timedelta(minutes=15)
_PAGE: Final = 200


@dataclass
class FailedRuns:
    """What a look at the runs found. `waiting` are failed runs of which it is not known yet whether they will be
    retried.
    """

    watermark: datetime
    causes: list[Incident] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


def failed_runs(
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
    """Look at the runs that failed since the watermark, and again at the `waiting` ones.

    `known` tells which runs are written down already; `foreign` remembers, from pass to pass, those that there is
    nothing to say of. What was not reached when `out_of_time` says so is left to the next pass.
    """
    found, now, seen = FailedRuns(watermark), datetime.now(UTC), set[str]()
    pages = (
        [instance.get_run_records(RunsFilter(run_ids=list(waiting), statuses=[DagsterRunStatus.FAILURE]))]
        if waiting
        else []
    )
    failed = runs_since(instance, [DagsterRunStatus.FAILURE], watermark - OVERLAP, limit=_PAGE)
    for again, page in [
        *((True, page) for page in pages),
        *((False, page) for page in failed),
    ]:
        done = known([record.dagster_run.run_id for record in page])
        for record in page:
            run = record.dagster_run
            if run.run_id not in seen and run.run_id not in done and run.run_id not in foreign:
                if out_of_time():
                    # The waiting ones come first: those that were not looked at stay.
                    found.waiting += [
                        run_id for run_id in waiting if run_id not in seen and run_id not in found.waiting
                    ]
                    return found
                _judge(instance, record, found, foreign, now, tables, secrets)
            seen.add(run.run_id)
            if not again:
                found.watermark = max(found.watermark, run_info(record).updated_at)
    # Everything was looked at: the next look need not go back further than this one's beginning, and what lies behind
    # it is forgotten.
    found.watermark = max(found.watermark, now)
    foreign &= seen
    return found


def _judge(
    instance: DagsterInstance,
    record: RunRecord,
    found: FailedRuns,
    foreign: set[str],
    now: datetime,
    tables: Mapping[str, MonitoredTable],
    secrets: Sequence[str],
) -> None:
    run, facts = record.dagster_run, run_info(record)
    age = now - (facts.completed_at or facts.updated_at)
    decision = _decision(run, age)
    if decision == "wait":
        found.waiting.append(run.run_id)
        return
    causes = _causes(instance, facts, tables, secrets) if decision == "tell" else []
    found.causes += causes
    # A run is stored a moment before what it plans.
    if not causes and age > OVERLAP / 2:
        foreign.add(run.run_id)


def _decision(run: DagsterRun, age: timedelta) -> str:
    """Whether to tell of a failed run: "tell", "wait", or "retried": then its retry speaks for it."""
    tag = run.tags.get(WILL_RETRY_TAG)
    if tag is None:
        return "wait" if age < _UNDECIDED else "tell"
    if tag.lower() != "true":
        return "tell"
    if run.tags.get(AUTO_RETRY_RUN_ID_TAG):
        return "retried"
    return "wait" if age < _RETRY_PATIENCE else "tell"


def _causes(
    instance: DagsterInstance, run: RunInfo, tables: Mapping[str, MonitoredTable], secrets: Sequence[str]
) -> list[Incident]:
    """A cause for each table of the run that was not finished; none for a run of other people's assets."""
    events = run_events(instance, run.run_id, dict.fromkeys(tables, ""))
    if events is None:
        return []
    planned = list(dict.fromkeys(event.segment for event in events if isinstance(event, Planned)))
    failures = {event.segment: event for event in events if isinstance(event, Failed)}
    whole = next((event for event in reversed(events) if isinstance(event, Failed)), None)
    finished = {event.segment for event in events if isinstance(event, Finished)} - set(failures)
    at = run.completed_at or run.updated_at
    partition = run.tags.get(PARTITION_NAME_TAG)
    causes = []
    for segment in planned:
        if segment in finished:
            continue
        failure = failures.get(segment) or failures.get(None) or whole
        table = tables.get(segment, MonitoredTable(segment))
        facts = IncidentDetails(
            name=table.name,
            owners=table.owners,
            error=one_line(failure.error, secrets) if failure else None,
            run_id=run.run_id,
            asset="/".join(table_path(segment)),
            files=last_files(instance, segment, secrets),
            partition=partition,
        )
        subject = f"table {segment}" if partition is None else f"table {segment} {partition}"
        causes.append(Incident(f"run_failed:{run.run_id}:{segment}", "run_failed", subject, at, facts))
    if not causes:
        # Everything was published, and the run failed all the same.
        facts = IncidentDetails(
            name=run.job,
            run_id=run.run_id,
            error=one_line(whole.error, secrets) if whole else None,
            partition=partition,
        )
        causes.append(Incident(f"run_failed:{run.run_id}:", "run_failed", None, at, facts))
    return causes


def last_files(instance: DagsterInstance, segment: str, secrets: Sequence[str]) -> str | None:
    """Where the manifest of the last window lies that was published whole."""
    event = instance.get_latest_materialization_event(_manifest(segment))
    materialization = event.asset_materialization if event else None
    uri = materialization.metadata.get(URI_KEY) if materialization else None
    return address(str(uri.value), secrets) if uri and uri.value else None


def run_again(instance: DagsterInstance, cause: OpenIncident) -> datetime | None:
    """Since when a table that failed is published again; None while it is not."""
    place = parse_key((cause.details.asset or "").split("/"))
    if place is None:
        return None
    partitions = [cause.details.partition] if cause.details.partition else None
    wanted = AssetRecordsFilter(
        _manifest(place.segment), after_timestamp=cause.at.timestamp(), asset_partitions=partitions
    )
    records = instance.fetch_materializations(wanted, limit=1).records
    return datetime.fromtimestamp(records[0].timestamp, UTC) if records else None


def _manifest(segment: str) -> AssetKey:
    return AssetKey(export_path(segment, MANIFEST))
