"""Detects sensors and schedules that keep failing, runs that batch_jobs refuses, and what works again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from dagster import DagsterInstance
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    InstigatorType,
    TickStatus,
)

from aggregation_pipeline.alerts.chat_text import one_line
from aggregation_pipeline.alerts.incidents import Incident, IncidentDetails
from aggregation_pipeline.alerts.monitored import DetectedConditions, MonitoredDefinitions
from aggregation_pipeline.batch_jobs.mirror_cursor import MIRROR_SENSOR, MirrorCursor
from aggregation_pipeline.runs.error_text import innermost_message

# How many ticks in a row have to fail. A sensor's next tick comes in seconds, a schedule's may come tomorrow.
_FAILED_TICKS: Final = {InstigatorType.SENSOR: 3, InstigatorType.SCHEDULE: 1}
_MIRROR_SUBJECT: Final = "mirror batch_jobs"


def detect_failing_sensors(
    instance: DagsterInstance, monitored: MonitoredDefinitions, secrets: Sequence[str]
) -> DetectedConditions:
    """Detect sensors and schedules of this code location that keep failing, and runs that the mirror cannot record."""
    incidents, working_since = [], dict[str, datetime]()
    for state in instance.all_instigator_state():
        if not _is_monitored(state, monitored.location):
            continue
        # One query for each uses an index; Dagster's batch query numbers all ticks of the last days first.
        latest = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=5)
        ended = [tick for tick in latest if tick.status != TickStatus.STARTED]
        required = _FAILED_TICKS[state.instigator_type]
        failed = [tick for tick in ended[:required] if tick.status == TickStatus.FAILURE]
        name = state.instigator_name
        subject = f"{state.instigator_type.value.lower()} {name}"
        if ended and not failed:
            working_since[subject] = _time_of(ended[0])
        elif len(failed) == required:
            error = innermost_message(failed[0].tick_data.error) or "the tick failed without a message"
            incidents.append(_incident(subject, name, _time_of(failed[-1]), error, secrets))
        if refused := _count_refused_runs(state):
            at = _time_of(ended[0]) if ended else datetime.now(UTC)
            error = f"{refused} runs could not be recorded in batch_jobs: the log of the sensor {name} says why"
            incidents.append(_incident(_MIRROR_SUBJECT, "batch_jobs", at, error, secrets))
        elif name == MIRROR_SENSOR and subject in working_since:
            working_since[_MIRROR_SUBJECT] = working_since[subject]
    return DetectedConditions(incidents, lambda incident: working_since.get(incident.subject))


def _is_monitored(state: InstigatorState, location: str | None) -> bool:
    running = state.status != InstigatorStatus.STOPPED and state.instigator_type in _FAILED_TICKS
    return running and location in (None, state.origin.repository_origin.code_location_origin.location_name)


def _count_refused_runs(state: InstigatorState) -> int:
    """How many runs the mirror could not record, by the cursor of its sensor."""
    cursor = getattr(state.instigator_data, "cursor", None)
    if state.instigator_name != MIRROR_SENSOR or not cursor:
        return 0
    try:
        return len(MirrorCursor.from_json(cursor).retry)
    except (ValueError, TypeError, LookupError, AttributeError):
        # Another release may have written it.
        return 0


def _incident(subject: str, name: str, at: datetime, error: str, secrets: Sequence[str]) -> Incident:
    details = IncidentDetails(name=name, error=one_line(error, secrets))
    return Incident(f"sensor_failing:{subject}:{at.isoformat()}", "sensor_failing", subject, at, details)


def _time_of(tick: InstigatorTick) -> datetime:
    return datetime.fromtimestamp(tick.timestamp, UTC)
