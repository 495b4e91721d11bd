"""Runs into their rows: read their events, project them, upsert the rows.

Sensors, the reconciler, the run's own process and the command line all come here.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict, Unpack

from dagster import DagsterError, DagsterInstance, RunRecord
from dagster._core.storage.runs.sql_run_storage import SqlRunStorage

from aggregation_pipeline.batch_jobs.projection import NO_NAMES, project
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository
from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.runs.event_log import events_of, read_logs
from aggregation_pipeline.runs.log_query import LogRow
from aggregation_pipeline.runs.model import BatchJobRow, Event, Owner
from aggregation_pipeline.runs.run_records import run_info

Outcome = Literal["written", "unchanged", "foreign", "missing"]


class About(TypedDict):
    """What the rows of a deployment need besides the runs.

    Attributes:
        platforms: the key segments of all tables and their platforms, in order.
        job_type: that of every row.
        names: the key segments and the names of their entries.
        secrets: values that are kept out of error texts.
        scope: name of the component whose tables these are; a deployment has none.
    """

    platforms: Mapping[str, str]
    job_type: str
    names: NotRequired[Mapping[str, str]]
    secrets: NotRequired[Sequence[str]]
    scope: NotRequired[str]


def owner_of(instance: DagsterInstance, deployment: str) -> Owner:
    """Return the owner of the rows of this Dagster storage's runs.

    The storage made its id together with its tables, and keeps it. Raises MirrorError where it has none.
    """
    storage = instance.run_storage
    if not isinstance(storage, SqlRunStorage):
        raise MirrorError(
            f"Dagster keeps its runs in {type(storage).__name__}, which has no id. Configure PostgreSQL in dagster.yaml"
        )
    return Owner(deployment, storage.get_run_storage_id())


def mirror_run(
    instance: DagsterInstance,
    run: RunRecord | str,
    *,
    repository: BatchJobRepository,
    owner: Owner,
    **about: Unpack[About],
) -> Outcome:
    """Bring a run's row up to date. Any process may call this at any time, any number of times.

    `run` is the run's id, or its record where the caller has read it already.

    Returns "written"; "unchanged" where the row was there already, in this version or a newer one, or is not ours;
    "foreign" for a run that planned none of our assets; "missing" for one that Dagster does not know.
    Raises MirrorError, MirrorBusyError.
    """
    record = instance.get_run_record_by_id(run) if isinstance(run, str) else run
    if record is None:
        return "missing"
    (outcome,) = mirror_runs(
        instance,
        [record],
        repository=repository,
        owner=owner,
        **about,
    ).values()
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def row_of(instance: DagsterInstance, run_id: str, *, owner: Owner, **about: Unpack[About]) -> BatchJobRow | None:
    """Return the row of a run as its events say it now; None for a run that is not ours, or that Dagster does not know.

    Raises MirrorError, and what else keeps the events from being read.
    """
    record = instance.get_run_record_by_id(run_id)
    if record is None:
        return None
    found = rows_of(instance, [record], owner=owner, **about)[run_id]
    if isinstance(found, Exception):
        raise found
    return found if isinstance(found, BatchJobRow) else None


def mirror_runs(
    instance: DagsterInstance,
    records: Sequence[RunRecord],
    *,
    repository: BatchJobRepository,
    owner: Owner,
    **about: Unpack[About],
) -> Mapping[str, Outcome | Exception]:
    """Bring the rows of runs up to date as `mirror_run` does, with one question and one statement for all of them.

    Returns by the id of the run what became of it, or why it could not be mirrored; that does not stop the others.
    Raises MirrorBusyError.
    """
    outcomes: dict[str, Outcome | Exception] = {}
    rows: dict[str, BatchJobRow] = {}
    for run_id, found in rows_of(instance, records, owner=owner, **about).items():
        if isinstance(found, BatchJobRow):
            rows[run_id] = found
        else:
            outcomes[run_id] = found
    changes = repository.record_all(list(rows.values()))
    for run_id, row in rows.items():
        change = changes[row.id]
        outcomes[run_id] = change if isinstance(change, Exception) else "written" if change else "unchanged"
    return outcomes


def rows_of(
    instance: DagsterInstance, records: Sequence[RunRecord], *, owner: Owner, **about: Unpack[About]
) -> Mapping[str, BatchJobRow | Literal["foreign"] | Exception]:
    """Return the row of each run as its events say it now, "foreign", or why there is none."""
    # The events are read after the records, so they are never older than those.
    logs = _read_logs(instance, [record.dagster_run.run_id for record in records])
    found: dict[str, BatchJobRow | Literal["foreign"] | Exception] = {}
    for record in records:
        run_id = record.dagster_run.run_id
        log = logs[run_id]
        if isinstance(log, Exception):
            found[run_id] = log
            continue
        try:
            events = events_of(instance, run_id, log, about["platforms"], about.get("scope", ""))
            found[run_id] = "foreign" if events is None else _row(record, events, owner, about)
        except (MirrorError, DagsterError, ValueError, TypeError, LookupError) as error:
            found[run_id] = error
    return found


def _row(record: RunRecord, events: Sequence[Event], owner: Owner, about: About) -> BatchJobRow:
    return project(
        run_info(record),
        events,
        owner=owner,
        job_type=about["job_type"],
        platforms=about["platforms"],
        names=about.get("names", NO_NAMES),
        secrets=about.get("secrets", ()),
    )


def _read_logs(instance: DagsterInstance, run_ids: Sequence[str]) -> Mapping[str, Sequence[LogRow] | MirrorError]:
    """The log of each run, or why it cannot be read; where the question for all fails, each is asked for by itself."""
    try:
        return read_logs(instance, run_ids)
    except MirrorError as error:
        if len(run_ids) == 1:
            return {run_ids[0]: error}
    return {run_id: _read_logs(instance, [run_id])[run_id] for run_id in run_ids}
