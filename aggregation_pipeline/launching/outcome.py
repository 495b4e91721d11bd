"""What has become of a request: the state of its runs, and their results once all have ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from dagster import DagsterInstance, DagsterRunStatus, RunRecord, RunsFilter

from aggregation_pipeline.batch_jobs.projection import JOB_STATUSES
from aggregation_pipeline.launching.plan import Plan, PlannedRun
from aggregation_pipeline.launching.requests import StoredRequest
from aggregation_pipeline.runs.asset_keys import segment
from aggregation_pipeline.runs.batch_job_text import first_lines, without_secrets
from aggregation_pipeline.runs.event_log import events_of, read_logs
from aggregation_pipeline.runs.model import Event, Failed, JobStatus
from aggregation_pipeline.runs.results import RunResult, TableResult, result_of_run, together
from aggregation_pipeline.runs.run_records import run_info
from aggregation_pipeline.runs.tags import AUTO_RETRY_RUN_ID_TAG, REPLACED_RUN_TAG, WILL_RETRY_TAG

RunStatus = JobStatus | Literal["deleted"]
# A run that fails before it begins is replaced by another within this time (automation/lost_runs.py), and it is that
# one which counts.
_REPLACED_WITHIN: Final = timedelta(seconds=30)


@dataclass(frozen=True)
class RunState:
    """A run of a request. `run_id` is of the run that took its place, where one did."""

    planned: PlannedRun
    run_id: str
    status: RunStatus


@dataclass(frozen=True)
class Outcome:
    """What has become of a request.

    Attributes:
        status: failed if a run has failed and all have ended.
        result: None while runs are at work or wait.
        error: what went wrong, by table; None if nothing did.
    """

    status: JobStatus
    runs: Sequence[RunState]
    result: RunResult | None = None
    error: str | None = None


def outcome_of(instance: DagsterInstance, request: StoredRequest, secrets: Sequence[str]) -> Outcome:
    """Return what has become of a request. `secrets` are kept out of error texts.

    Raises:
        MirrorError: Dagster's events cannot be read.
    """
    runs = request.plan.runs
    records = newest_records(instance, [run.run_id for run in runs])
    states = [_state(run, records[run.run_id], is_submitted=request.is_submitted) for run in runs]
    statuses = {state.status for state in states}
    if statuses & {"pending", "in_progress"}:
        return Outcome("pending" if statuses == {"pending"} else "in_progress", states)
    return _ended(instance, request.plan, states, records, secrets)


def newest_records(instance: DagsterInstance, run_ids: Sequence[str]) -> Mapping[str, RunRecord | None]:
    """Return the record of each run, or of the run that has taken its place."""
    found = _records(instance, run_ids)
    replaced = {
        run_id: record.dagster_run.tags[AUTO_RETRY_RUN_ID_TAG]
        for run_id, record in found.items()
        if record.dagster_run.tags.get(WILL_RETRY_TAG) == "true" and AUTO_RETRY_RUN_ID_TAG in record.dagster_run.tags
    }
    others = newest_records(instance, list(replaced.values())) if replaced else {}
    return {run_id: (run_id in replaced and others[replaced[run_id]]) or found.get(run_id) for run_id in run_ids}


def is_over(record: RunRecord | None) -> bool:
    """Whether a run has ended, and none is going to take its place."""
    if record is None:
        return True
    run = record.dagster_run
    never_began = run.status == DagsterRunStatus.FAILURE and record.start_time is None
    if never_began and REPLACED_RUN_TAG not in run.tags:
        return datetime.now(UTC) - run_info(record).updated_at > _REPLACED_WITHIN
    return run.is_finished


def _records(instance: DagsterInstance, run_ids: Sequence[str]) -> dict[str, RunRecord]:
    records = instance.get_run_records(RunsFilter(run_ids=list(run_ids))) if run_ids else []
    return {record.dagster_run.run_id: record for record in records}


def _state(run: PlannedRun, record: RunRecord | None, *, is_submitted: bool) -> RunState:
    if record is None:
        # A request that was broken off has runs that are not created yet.
        return RunState(run, run.run_id, "deleted" if is_submitted else "pending")
    status = JOB_STATUSES.get(record.dagster_run.status.value, "pending")
    return RunState(run, record.dagster_run.run_id, status if is_over(record) or status != "failed" else "pending")


def _ended(
    instance: DagsterInstance,
    plan: Plan,
    states: Sequence[RunState],
    records: Mapping[str, RunRecord | None],
    secrets: Sequence[str],
) -> Outcome:
    existing = [state for state in states if state.status != "deleted"]
    logs = read_logs(instance, [state.run_id for state in existing]) if existing else {}
    results, errors = [], []
    for state in existing:
        names = {segment(name): name for name in state.planned.tables}
        events = events_of(instance, state.run_id, logs[state.run_id], names) or []
        result = result_of_run(
            state.run_id,
            names,
            events,
            succeeded=state.status == "completed",
            seconds=_seconds(records[state.planned.run_id]),
        )
        results.append(_without_secrets(result, secrets))
        if state.status == "failed":
            errors += _errors(results[-1], events, secrets)
    errors += [f"Run {state.run_id} was deleted" for state in states if state.status == "deleted"]
    skipped = {name: TableResult("skipped", 0, reason) for name, reason in plan.skipped.items()}
    return Outcome(
        "failed" if errors else "completed",
        states,
        together(results, skipped) if results else None,
        "\n".join(dict.fromkeys(errors)) or None,
    )


def _errors(result: RunResult, events: Sequence[Event], secrets: Sequence[str]) -> list[str]:
    """Return at least one line: which table failed and why, or else why the run did."""
    of_tables = [f"{name}: {table.error}" for name, table in result.tables.items() if table.error]
    of_run = [event.error for event in events if isinstance(event, Failed) and event.step is None]
    found = of_tables or of_run or [f"Run {result.batch_job_id} was cancelled, or ended without an error"]
    return [first_lines(without_secrets(error, secrets)) for error in found]


def _without_secrets(result: RunResult, secrets: Sequence[str]) -> RunResult:
    tables = {
        name: replace(table, error=table.error and without_secrets(table.error, secrets))
        for name, table in result.tables.items()
    }
    return replace(result, tables=tables)


def _seconds(record: RunRecord | None) -> float:
    return record.end_time - record.start_time if record and record.end_time and record.start_time else 0.0
