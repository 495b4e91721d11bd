"""Detects asset checks that failed, and those that pass again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from dagster import AssetCheckKey, AssetCheckSeverity, DagsterInstance
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from aggregation_pipeline.alerts.chat_text import one_line
from aggregation_pipeline.alerts.incidents import Incident, OpenIncident
from aggregation_pipeline.alerts.monitored import DetectedConditions, MonitoredDefinitions
from aggregation_pipeline.runs.latest_checks import failed_evaluations
from aggregation_pipeline.runs.run_records import LATE_UPDATES

_EVALUATED: Final = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}


def detect_failed_checks(
    instance: DagsterInstance,
    monitored: MonitoredDefinitions,
    *,
    since: datetime,
    on_warn: bool,
    secrets: Sequence[str],
) -> DetectedConditions:
    """Detect checks that failed since then, also those that have passed again in the meantime."""
    known = frozenset(monitored.checks)
    incidents = [
        _incident(instance, monitored, record, secrets)
        for record in failed_evaluations(instance, since - LATE_UPDATES)
        if record.key in known and _is_failure(record, on_warn=on_warn)
    ]
    return DetectedConditions(incidents, lambda incident: _passed_at(instance, monitored, incident, on_warn=on_warn))


def _passed_at(
    instance: DagsterInstance,
    monitored: MonitoredDefinitions,
    incident: OpenIncident,
    *,
    on_warn: bool,
) -> datetime | None:
    """When the check passed on the partition of an incident, after the incident; None while it has not.

    An incident of no partition is of a whole table. Should the table have partitions since, the newest result counts.
    """
    partition = incident.details.partition
    key = next((key for key in monitored.checks if _subject(key, partition) == incident.subject), None)
    if key is None:
        return None
    newest = _newest(instance, key, partition)
    if (
        newest is None
        or _is_failure(newest, on_warn=on_warn)
        or _evaluated_at(newest) <= incident.at
        or _checked_old_files(monitored, key, newest, incident)
    ):
        return None
    return _evaluated_at(newest)


def _newest(instance: DagsterInstance, key: AssetCheckKey, partition: str | None) -> AssetCheckExecutionRecord | None:
    of_partition = None if partition is None else PartitionKeyFilter(key=partition)
    found = instance.event_log_storage.get_asset_check_execution_history(
        key, limit=1, status=_EVALUATED, partition_filter=of_partition
    )
    return found[0] if found else None


def _incident(
    instance: DagsterInstance,
    monitored: MonitoredDefinitions,
    record: AssetCheckExecutionRecord,
    secrets: Sequence[str],
) -> Incident:
    asset, name, partition = record.key.asset_key, record.key.name, record.partition
    description = (record.evaluation.description if record.evaluation else None) or ""
    details = monitored.details(
        instance,
        asset,
        secrets,
        check=name,
        error=one_line(description, secrets) or None,
        run_id=record.run_id or None,
        partition=partition,
    )
    key = f"check_failed:{'/'.join(asset.path)}:{name}:{record.id}"
    return Incident(key, "check_failed", _subject(record.key, partition), _evaluated_at(record), details)


def _subject(key: AssetCheckKey, partition: str | None) -> str:
    return " ".join(filter(None, ("check", "/".join(key.asset_key.path), key.name, partition)))


def _is_failure(record: AssetCheckExecutionRecord, *, on_warn: bool) -> bool:
    evaluation = record.evaluation
    failed = record.status == AssetCheckExecutionRecordStatus.FAILED and evaluation is not None
    return failed and evaluation is not None and (on_warn or evaluation.severity == AssetCheckSeverity.ERROR)


def _checked_old_files(
    monitored: MonitoredDefinitions, key: AssetCheckKey, record: AssetCheckExecutionRecord, incident: OpenIncident
) -> bool:
    """Whether a table's check ran alone, on files that were published before the incident.

    It then says nothing about the rows that failed the check: they were never published.
    """
    target = record.evaluation.target_materialization_data if record.evaluation else None
    is_table = monitored.segment(key.asset_key) is not None
    return is_table and target is not None and datetime.fromtimestamp(target.timestamp, UTC) <= incident.at


def _evaluated_at(record: AssetCheckExecutionRecord) -> datetime:
    # Dagster makes the row when the check is planned; the event comes with its result.
    return datetime.fromtimestamp(record.event.timestamp if record.event else record.create_timestamp, UTC)
