"""Detects assets that missed the deadline of their freshness policy, and those that are fresh again."""

from collections.abc import Sequence
from datetime import UTC, datetime

from dagster import AssetKey, DagsterInstance, FreshnessPolicy
from dagster._core.definitions.freshness import CronFreshnessPolicy, FreshnessState, TimeWindowFreshnessPolicy
from dagster._utils.schedules import get_latest_completed_cron_tick

from aggregation_pipeline.alerts.incidents import Incident, OpenIncident
from aggregation_pipeline.alerts.monitored import DetectedConditions, MonitoredDefinitions


def detect_late_tables(
    instance: DagsterInstance, monitored: MonitoredDefinitions, secrets: Sequence[str], now: datetime
) -> DetectedConditions:
    """Detect assets that Dagster calls late."""
    policies = monitored.policies
    states = instance.get_freshness_state_records(list(policies)) if policies else {}
    incidents = []
    for key, record in states.items():
        if record.freshness_state != FreshnessState.FAIL:
            continue
        deadline = _deadline(instance, key, policies[key], now)
        # A deadline to come: the asset was materialized since Dagster looked.
        if deadline is None or deadline > now:
            continue
        path = "/".join(key.path)
        details = monitored.details(instance, key, secrets, deadline=deadline.isoformat())
        incident_key = f"table_late:{path}:{deadline.isoformat()}"
        incidents.append(Incident(incident_key, "table_late", f"asset {path}", deadline, details))

    def fresh_at(incident: OpenIncident) -> datetime | None:
        record = states.get(AssetKey((incident.details.asset or "").split("/")))
        if record is None or record.freshness_state not in {FreshnessState.PASS, FreshnessState.WARN}:
            return None
        return record.updated_at if record.updated_at > incident.at else None

    return DetectedConditions(incidents, fresh_at)


def _deadline(instance: DagsterInstance, key: AssetKey, policy: FreshnessPolicy, now: datetime) -> datetime | None:
    """The last deadline: a cron tick, or the last materialization plus the time until the asset is late."""
    if isinstance(policy, CronFreshnessPolicy):
        return get_latest_completed_cron_tick(policy.deadline_cron, now, policy.timezone).astimezone(UTC)
    event = instance.get_latest_materialization_event(key)
    if isinstance(policy, TimeWindowFreshnessPolicy) and event is not None:
        return datetime.fromtimestamp(event.timestamp, UTC) + policy.fail_window.to_timedelta()
    return None
