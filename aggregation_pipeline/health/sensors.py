"""Whether the sensors that should run do, and batch_jobs is up to date by their cursor."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from dagster import DagsterInstance, DefaultSensorStatus
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType
from dagster._core.workspace.context import WorkspaceProcessContext

from aggregation_pipeline.batch_jobs.mirror_cursor import MIRROR_SENSOR, MirrorCursor
from aggregation_pipeline.health.dagster_storage import outage_of_storage

# The mirror looks every ten seconds. A tick may be late where many sensors are evaluated, or the code is loaded again.
_LATE_SECONDS: Final = 300.0


def stopped_sensors(context: WorkspaceProcessContext) -> str | None:
    """Return which sensors somebody has stopped that run by default, None if there are none."""
    stopped = [
        name
        for name, state in _running_by_default(context)
        if state is not None and state.status == InstigatorStatus.STOPPED
    ]
    return f"stopped in the UI: {', '.join(sorted(stopped))}" if stopped else None


def mirror_problem(context: WorkspaceProcessContext) -> str | None:
    """Return why batch_jobs may lack runs, None if it lacks none. Code without the mirror's sensor lacks none."""
    states = dict(_running_by_default(context))
    if MIRROR_SENSOR not in states:
        return None
    state = states[MIRROR_SENSOR]
    return lag(getattr(state and state.instigator_data, "cursor", None), datetime.now(UTC))


def mirror_cursor(context: WorkspaceProcessContext) -> MirrorCursor | None:
    """Return how far the mirror was when its sensor last looked; None if it has not, or its cursor cannot be read."""
    state = dict(_running_by_default(context)).get(MIRROR_SENSOR)
    stored = getattr(state and state.instigator_data, "cursor", None)
    try:
        return MirrorCursor.from_json(stored) if stored else None
    except (ValueError, TypeError, LookupError):
        return None


def lag(stored: str | None, now: datetime) -> str | None:
    """Return how batch_jobs is behind by the cursor that the mirror's sensor has stored, None if it is not."""
    if not stored:
        return f"{MIRROR_SENSOR} has not looked yet"
    try:
        cursor = MirrorCursor.from_json(stored)
    except (ValueError, TypeError, LookupError):
        return f"another release has written the cursor of {MIRROR_SENSOR}"
    if cursor.at is None or (now - cursor.at).total_seconds() > _LATE_SECONDS:
        since = f" since {cursor.at.isoformat(timespec='seconds')}" if cursor.at else ""
        return f"{MIRROR_SENSOR} has not looked{since or ' yet'}"
    if cursor.retry:
        return f"{len(cursor.retry)} runs could not be recorded in batch_jobs"
    if cursor.lag_seconds > _LATE_SECONDS:
        return f"{cursor.behind} runs are not in batch_jobs, the first for {cursor.lag_seconds:.0f} s"
    return None


def _running_by_default(context: WorkspaceProcessContext) -> Iterator[tuple[str, InstigatorState | None]]:
    """Yield the sensors that the code says should run, each with what is stored of it."""
    with outage_of_storage():
        found = _states(context.instance)
    for entry in context.get_current_workspace().code_location_entries.values():
        repositories = entry.code_location.get_repositories().values() if entry.code_location else ()
        for sensor in (sensor for repository in repositories for sensor in repository.get_sensors()):
            if sensor.default_status == DefaultSensorStatus.RUNNING:
                yield sensor.name, found.get(sensor.selector_id)


def _states(instance: DagsterInstance) -> dict[str, InstigatorState]:
    return {state.selector_id: state for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)}
