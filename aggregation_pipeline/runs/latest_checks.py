"""How asset checks went when they were last evaluated, by Dagster's table of their executions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    DagsterInstance,
    EventLogEntry,
    deserialize_value,
)
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

from aggregation_pipeline.runs.asset_keys import DEPLOYMENT, parse_asset_key
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
    """Return the checks of tables whose last evaluation failed: of each partition by itself.

    Raises:
        MirrorError: the table cannot be read.
    """
    failed = AssetCheckExecutionsTable.c.execution_status == AssetCheckExecutionRecordStatus.FAILED.value
    return _read(instance, sa.true(), failed)


def checks_of(instance: DagsterInstance, keys: Sequence[AssetKey]) -> Sequence[LatestCheck]:
    """Return the last evaluation of each check of these assets, by name, and of other partitions those that failed.

    Raises:
        MirrorError: the table cannot be read.
    """
    of_these = AssetCheckExecutionsTable.c.asset_key.in_([key.to_string() for key in keys])
    return _read(instance, of_these, None)


def failed_evaluations(instance: DagsterInstance, since: datetime) -> Sequence[AssetCheckExecutionRecord]:
    """Return the evaluations since then that failed, of any asset, the earliest first.

    Raises:
        MirrorError: the table cannot be read.
    """
    checks = AssetCheckExecutionsTable.c
    names = ("id", "run_id", "execution_status", "evaluation_event", "create_timestamp", "partition")
    newest = sa.select(checks.id).order_by(checks.id.desc()).limit(_SCANNED)
    query = (
        sa.select(checks.asset_key, checks.check_name, *(checks[name] for name in names))
        .where(
            checks.execution_status == AssetCheckExecutionRecordStatus.FAILED.value,
            # Dagster stores it in UTC, without a zone.
            checks.evaluation_event_timestamp >= since.astimezone(UTC).replace(tzinfo=None),
            checks.id.in_(newest),
        )
        .order_by(checks.id)
    )
    found = []
    for stored_key, name, *values in ask_log(instance, query):
        if (asset := AssetKey.from_db_string(stored_key)) is not None:
            row = dict(zip(names, values, strict=True))
            found.append(AssetCheckExecutionRecord.from_db_row(row, AssetCheckKey(asset, name)))
    return found


def _read(
    instance: DagsterInstance, scanned: sa.ColumnElement[bool], wanted: sa.ColumnElement[bool] | None
) -> Sequence[LatestCheck]:
    """Return those of the last evaluations that are `wanted`, of all that are `scanned`.

    Without `wanted`, they are the newest of each check, and the failed ones of its partitions. Where a table got
    partitions, or has none any more, only results of its present kind count.
    """
    checks = AssetCheckExecutionsTable.c
    columns = (checks.id, checks.asset_key, checks.check_name, checks.partition, checks.execution_status)
    scan = sa.select(*columns).where(scanned).order_by(checks.id.desc()).limit(_SCANNED).subquery()
    evaluated = sa.select(scan).where(scan.c.execution_status.in_(_EVALUATED)).subquery().c
    of_check = (evaluated.asset_key, evaluated.check_name)
    ranked = sa.select(
        evaluated.id,
        evaluated.partition,
        sa.func.row_number()
        .over(partition_by=(*of_check, evaluated.partition), order_by=evaluated.id.desc())
        .label("n"),
        sa.func.first_value(evaluated.id).over(partition_by=of_check, order_by=evaluated.id.desc()).label("newest"),
        sa.func.first_value(evaluated.partition)
        .over(partition_by=of_check, order_by=evaluated.id.desc())
        .label("kind"),
    ).subquery()
    same_kind = ranked.c.partition.is_(None) == ranked.c.kind.is_(None)
    last = sa.select(ranked.c.id, ranked.c.newest).where(ranked.c.n == 1, same_kind).subquery()
    if wanted is None:
        failed = checks.execution_status == AssetCheckExecutionRecordStatus.FAILED.value
        wanted = sa.or_(failed, checks.id == last.c.newest)
    found = sa.select(checks.evaluation_event).join(last, checks.id == last.c.id).where(wanted)
    query = found.order_by(checks.check_name, checks.id.desc()).limit(_MOST)
    return [check for row in ask_log(instance, query) for check in _checks(row.evaluation_event)]


def _checks(stored: str) -> Iterator[LatestCheck]:
    entry = deserialize_value(stored, EventLogEntry)
    check = entry.dagster_event.event_specific_data if entry.dagster_event else None
    # With a prefix it is a table of a component in somebody's project on the same storage.
    if not isinstance(check, AssetCheckEvaluation):
        return
    if key := parse_asset_key(check.asset_key.path, prefix=DEPLOYMENT.key_prefix):
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
