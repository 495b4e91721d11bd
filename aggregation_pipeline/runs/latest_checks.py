"""How asset checks went when they were last evaluated, by Dagster's table of their executions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from dagster import AssetCheckEvaluation, AssetKey, DagsterInstance, EventLogEntry, deserialize_value
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

from aggregation_pipeline.runs.asset_keys import parse_asset_key
from aggregation_pipeline.runs.log_query import ask_log

# So many of the newest evaluations are looked at: no index finds the last one of each of thousands of checks.
_SCANNED: Final = 20_000
_MOST: Final = 500
_EVALUATED: Final = [
    AssetCheckExecutionRecordStatus.SUCCEEDED.value,
    AssetCheckExecutionRecordStatus.FAILED.value,
]


@dataclass(frozen=True)
class LatestCheck:
    """The last evaluation of a check.

    Attributes:
        segment: the key segment of its table.
        partition: None for a table without partitions.
        severity: error or warn.
    """

    segment: str
    name: str
    partition: str | None
    passed: bool
    severity: str
    message: str | None
    at: datetime
    run_id: str


def failed_checks(instance: DagsterInstance) -> Sequence[LatestCheck]:
    """Return the checks of tables whose last evaluation failed, of any partition.

    Raises:
        MirrorError: the table cannot be read.
    """
    failed = AssetCheckExecutionsTable.c.execution_status == AssetCheckExecutionRecordStatus.FAILED.value
    return _read(instance, sa.true(), failed)


def checks_of(instance: DagsterInstance, keys: Sequence[AssetKey]) -> Sequence[LatestCheck]:
    """Return the last evaluation of each check of these assets, by name. Raises MirrorError."""
    of_these = AssetCheckExecutionsTable.c.asset_key.in_([key.to_string() for key in keys])
    return _read(instance, of_these, sa.true())


def _read(
    instance: DagsterInstance, scanned: sa.ColumnElement[bool], wanted: sa.ColumnElement[bool]
) -> Sequence[LatestCheck]:
    """Return those of the last evaluations that are `wanted`, of all that are `scanned`."""
    checks = AssetCheckExecutionsTable.c
    columns = (checks.id, checks.asset_key, checks.check_name, checks.execution_status)
    newest = sa.select(*columns).where(scanned).order_by(checks.id.desc()).limit(_SCANNED).subquery()
    last = (
        sa.select(sa.func.max(newest.c.id))
        .where(newest.c.execution_status.in_(_EVALUATED))
        .group_by(newest.c.asset_key, newest.c.check_name)
    )
    found = sa.select(checks.evaluation_event).where(checks.id.in_(last), wanted)
    query = found.order_by(checks.check_name, checks.id.desc()).limit(_MOST)
    return [check for row in ask_log(instance, query) for check in _checks(row.evaluation_event)]


def _checks(stored: str) -> Iterator[LatestCheck]:
    entry = deserialize_value(stored, EventLogEntry)
    check = entry.dagster_event.event_specific_data if entry.dagster_event else None
    key = parse_asset_key(check.asset_key.path) if isinstance(check, AssetCheckEvaluation) else None
    if isinstance(check, AssetCheckEvaluation) and key is not None:
        yield LatestCheck(
            segment=key.segment,
            name=check.check_name,
            partition=check.partition,
            passed=check.passed,
            severity=check.severity.value.lower(),
            message=check.description,
            at=datetime.fromtimestamp(entry.timestamp, UTC),
            run_id=entry.run_id,
        )
