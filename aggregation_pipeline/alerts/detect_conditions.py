"""Checks, freshness and ticks: what Dagster holds to be wrong at this moment, and what it holds to be right again."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from dagster import AssetCheckKey, AssetCheckSeverity, AssetKey, DagsterInstance, FreshnessPolicy
from dagster._core.definitions.freshness import CronFreshnessPolicy, FreshnessState, TimeWindowFreshnessPolicy
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorTick,
    InstigatorType,
    TickStatus,
)
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)
from dagster._utils.schedules import get_latest_completed_cron_tick

from aggregation_pipeline.alerts.chat_text import one_line
from aggregation_pipeline.alerts.detect_failed_runs import OVERLAP, last_files
from aggregation_pipeline.alerts.incidents import Incident, IncidentDetails, MonitoredTable, OpenIncident
from aggregation_pipeline.batch_jobs.reconcile import MIRROR_SENSOR
from aggregation_pipeline.runs.asset_keys import table_path
from aggregation_pipeline.runs.event_log import segment_of_asset

# One failed tick of a sensor is a hiccup, and the next comes in seconds. A schedule's next may come tomorrow.
_IN_A_ROW: Final = {InstigatorType.SENSOR: 3, InstigatorType.SCHEDULE: 1}
_HISTORY: Final = 20
_DONE: Final = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


@dataclass(frozen=True)
class MonitoredDefinitions:
    """What there is to look after, as the definitions of this code location say. `location` None looks at every
    location's sensors.
    """

    checks: tuple[AssetCheckKey, ...]
    policies: Mapping[AssetKey, FreshnessPolicy]
    owners: Mapping[AssetKey, tuple[str, ...]]
    tables: Mapping[str, MonitoredTable]
    location: str | None = None

    def details(
        self, instance: DagsterInstance, key: AssetKey, secrets: Sequence[str], **more: str | None
    ) -> IncidentDetails:
        """What to say of an asset: of its table where it belongs to one."""
        segment = segment_of_asset(key, dict.fromkeys(self.tables, ""))
        table = self.tables.get(
            segment or "", MonitoredTable(segment or key.to_user_string(), self.owners.get(key, ()))
        )
        files = last_files(instance, segment, secrets) if segment else None
        return IncidentDetails(name=table.name, owners=table.owners, asset="/".join(key.path), files=files, **more)


def failed_checks(
    instance: DagsterInstance, estate: MonitoredDefinitions, *, since: datetime, warn: bool, secrets: Sequence[str]
) -> tuple[list[Incident], Callable[[OpenIncident], datetime | None]]:
    """Checks that failed since then, those that passed again before anybody looked included; and a function that knows
    which pass now.
    """
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(estate.checks)
    causes = [
        _check_cause(instance, estate, record, secrets)
        for key, newest in latest.items()
        # One that is planned hides the result before it.
        if newest.status not in _DONE or _moment(newest) >= since - OVERLAP
        for record in instance.event_log_storage.get_asset_check_execution_history(key, limit=_HISTORY, status=_DONE)
        if _moment(record) >= since - OVERLAP and _is_bad(record, warn=warn)
    ]

    def passes_again(cause: OpenIncident) -> datetime | None:
        key = next((key for key in latest if _check_subject(key, cause.details.partition) == cause.subject), None)
        if key is None:
            return None
        history = instance.event_log_storage.get_asset_check_execution_history(key, limit=_HISTORY, status=_DONE)
        newest = next((record for record in history if record.partition == cause.details.partition), None)
        if (
            newest is None
            or _is_bad(newest, warn=warn)
            or _moment(newest) <= cause.at
            or _judged_what_was_there(estate, key, newest, cause)
        ):
            return None
        return _moment(newest)

    return causes, passes_again


def late_tables(
    instance: DagsterInstance, estate: MonitoredDefinitions, secrets: Sequence[str], now: datetime
) -> tuple[list[Incident], Callable[[OpenIncident], datetime | None]]:
    """Assets whose deadline passed, by Dagster's own judgement; and a function that knows which are fresh now."""
    states = instance.get_freshness_state_records(list(estate.policies)) if estate.policies else {}
    causes = []
    for key, record in states.items():
        deadline = (
            _deadline(instance, key, estate.policies[key], now)
            if record.freshness_state == FreshnessState.FAIL
            else None
        )
        # Made since: Dagster has not looked again yet.
        if deadline is not None and deadline <= now:
            path = "/".join(key.path)
            facts = estate.details(instance, key, secrets, deadline=deadline.isoformat())
            causes.append(
                Incident(f"table_late:{path}:{deadline.isoformat()}", "table_late", f"asset {path}", deadline, facts)
            )

    def fresh_again(cause: OpenIncident) -> datetime | None:
        record = states.get(AssetKey((cause.details.asset or "").split("/")))
        good = record is not None and record.freshness_state in {FreshnessState.PASS, FreshnessState.WARN}
        return record.updated_at if record is not None and good and record.updated_at > cause.at else None

    return causes, fresh_again


def failing_sensors(
    instance: DagsterInstance, estate: MonitoredDefinitions, secrets: Sequence[str]
) -> tuple[list[Incident], Callable[[OpenIncident], datetime | None]]:
    """Sensors and schedules of this location that keep failing, the mirror's refused runs too; and a function that
    knows which work.
    """
    states = [state for state in instance.all_instigator_state() if _is_ours(state, estate.location)]
    causes, working = [], dict[str, datetime]()
    for state in states:
        # One query each goes by the index; Dagster's batch query numbers all ticks of the last days first.
        latest = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=5)
        ended = [tick for tick in latest if tick.status != TickStatus.STARTED]
        needed = _IN_A_ROW[state.instigator_type]
        bad = [tick for tick in ended[:needed] if tick.status == TickStatus.FAILURE]
        name, subject = state.instigator_name, f"{state.instigator_type.value.lower()} {state.instigator_name}"
        if ended and not bad:
            working[subject] = _tick_time(ended[0])
        elif len(bad) == needed:
            causes.append(_sensor_cause(subject, name, _tick_time(bad[-1]), _tick_error(bad[0]), secrets))
        refused = _refused(state)
        if refused:
            moment = _tick_time(ended[0]) if ended else datetime.now(UTC)
            words = f"{refused} runs could not be recorded in batch_jobs: the log of the sensor {name} says why"
            causes.append(_sensor_cause("mirror batch_jobs", "batch_jobs", moment, words, secrets))
        elif name == MIRROR_SENSOR and subject in working:
            working["mirror batch_jobs"] = working[subject]
    return causes, lambda cause: working.get(cause.subject)


def broken_entries(
    estate: MonitoredDefinitions, secrets: Sequence[str], now: datetime
) -> tuple[list[Incident], Callable[[OpenIncident], datetime | None]]:
    """Entries of aggregation.yaml that cannot be used, one cause each as long as that is so; and a function that knows
    which can.
    """
    broken = {f"entry {segment}": (segment, table) for segment, table in estate.tables.items() if table.issues}
    causes = []
    for subject, (segment, table) in broken.items():
        error = one_line((table.issues or "").replace("\n", " "), secrets)
        facts = IncidentDetails(table.name, table.owners, error, asset="/".join(table_path(segment)))
        causes.append(Incident(f"entry_broken:{segment}:{now.isoformat()}", "entry_broken", subject, now, facts))
    return causes, lambda cause: None if cause.subject in broken else now


def _check_cause(
    instance: DagsterInstance, estate: MonitoredDefinitions, record: AssetCheckExecutionRecord, secrets: Sequence[str]
) -> Incident:
    evaluation = record.evaluation
    description = (evaluation.description if evaluation else None) or ""
    error = one_line(description, secrets) or None
    partition = record.partition
    facts = estate.details(
        instance,
        record.key.asset_key,
        secrets,
        check=record.key.name,
        error=error,
        run_id=record.run_id or None,
        partition=partition,
    )
    key = f"check_failed:{'/'.join(record.key.asset_key.path)}:{record.key.name}:{record.id}"
    return Incident(key, "check_failed", _check_subject(record.key, partition), _moment(record), facts)


def _check_subject(key: AssetCheckKey, partition: str | None) -> str:
    return " ".join(filter(None, ("check", "/".join(key.asset_key.path), key.name, partition)))


def _is_bad(record: AssetCheckExecutionRecord, *, warn: bool) -> bool:
    evaluation = record.evaluation
    bad = record.status == AssetCheckExecutionRecordStatus.FAILED and evaluation is not None
    return bad and evaluation is not None and (warn or evaluation.severity == AssetCheckSeverity.ERROR)


def _judged_what_was_there(
    estate: MonitoredDefinitions, key: AssetCheckKey, record: AssetCheckExecutionRecord, cause: OpenIncident
) -> bool:
    """Whether a table's check was executed alone: it judges what is published, and what was refused is not among
    that.
    """
    target = record.evaluation.target_materialization_data if record.evaluation else None
    ours = segment_of_asset(key.asset_key, dict.fromkeys(estate.tables, "")) is not None
    return ours and target is not None and datetime.fromtimestamp(target.timestamp, UTC) <= cause.at


def _moment(record: AssetCheckExecutionRecord) -> datetime:
    # The row is made when the check is planned; its result comes with the event.
    return datetime.fromtimestamp(record.event.timestamp if record.event else record.create_timestamp, UTC)


def _deadline(instance: DagsterInstance, key: AssetKey, policy: FreshnessPolicy, now: datetime) -> datetime | None:
    """The deadline that passed: the policy's last cron tick, or the last materialization and the time that it may be
    old.
    """
    if isinstance(policy, CronFreshnessPolicy):
        return get_latest_completed_cron_tick(policy.deadline_cron, now, policy.timezone).astimezone(UTC)
    event = instance.get_latest_materialization_event(key)
    if isinstance(policy, TimeWindowFreshnessPolicy) and event is not None:
        return datetime.fromtimestamp(event.timestamp, UTC) + policy.fail_window.to_timedelta()
    return None


def _is_ours(state: InstigatorState, location: str | None) -> bool:
    running = state.status != InstigatorStatus.STOPPED and state.instigator_type in _IN_A_ROW
    return running and location in (None, state.origin.repository_origin.code_location_origin.location_name)


def _refused(state: InstigatorState) -> int:
    """How many runs the mirror's reconciler could not record, as its cursor says."""
    cursor = getattr(state.instigator_data, "cursor", None)
    if state.instigator_name != MIRROR_SENSOR or not cursor:
        return 0
    try:
        read = json.loads(cursor)
    except ValueError:
        return 0
    retry = read.get("retry") if isinstance(read, dict) else None
    return len(retry) if isinstance(retry, list) else 0


def _sensor_cause(subject: str, name: str, at: datetime, error: str, secrets: Sequence[str]) -> Incident:
    return Incident(
        f"sensor_failing:{subject}:{at.isoformat()}",
        "sensor_failing",
        subject,
        at,
        IncidentDetails(name=name, error=one_line(error, secrets)),
    )


def _tick_time(tick: InstigatorTick) -> datetime:
    return datetime.fromtimestamp(tick.timestamp, UTC)


def _tick_error(tick: InstigatorTick) -> str:
    error = tick.tick_data.error
    while error is not None and error.cause is not None and (error.cls_name or "").startswith("Dagster"):
        error = error.cause
    return error.message if error is not None else "the tick failed without a message"


def first_watermark(now: datetime, hours: float = 1.0) -> datetime:
    """Where the very first pass begins: whoever sets up alerts does not want to hear of last month."""
    return now - timedelta(hours=hours)
