"""What Dagster's event log knows of one run beyond its row: how long the stages of each window took, and its checks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetMaterialization,
    DagsterEventType,
    DagsterInstance,
    EventLogEntry,
    deserialize_value,
)

from aggregation_pipeline.overview import values
from aggregation_pipeline.runs.asset_keys import TableAsset, parse_asset_key
from aggregation_pipeline.runs.event_log import read_logs
from aggregation_pipeline.runs.log_query import LogRow

# The newest so many events of each kind are read: more take too long to answer.
_MOST_EVENTS: Final = 1_000
_STAGE: Final = " seconds"


@dataclass(frozen=True)
class WindowStages:
    """How long a window took that a run published.

    Attributes:
        table: an entry's name.
        stages: seconds by stage: read, render, publish, in the order in which they follow each other.
        ended_at: when the last of them had ended, in UTC.
    """

    table: str
    window: str | None
    stages: Mapping[str, float]
    ended_at: datetime | None = None


@dataclass(frozen=True)
class CheckOutcome:
    """A check's result. `partition` is None for a table without partitions."""

    table: str
    name: str
    partition: str | None
    passed: bool
    severity: str
    message: str | None


@dataclass(frozen=True)
class RunDetail:
    """Both are empty for a run that Dagster does not know, or has deleted."""

    windows: Sequence[WindowStages] = ()
    checks: Sequence[CheckOutcome] = ()


def run_detail(instance: DagsterInstance, run_id: str, names: Mapping[str, str]) -> RunDetail:
    """Read the run's events. `names`: by key segment of a table, the name of its entry.

    Raises:
        MirrorError: Dagster's events cannot be read.
    """
    stages, checks = DagsterEventType.ASSET_MATERIALIZATION.value, DagsterEventType.ASSET_CHECK_EVALUATION.value
    found = read_logs(instance, [run_id], [stages, checks])[run_id]
    # The table's own asset carries the stages.
    of_tables = [
        (key.segment, row)
        for row in found
        if row.dagster_event_type == stages and (key := _parsed(row.asset_key)) is not None and key.output is None
    ]
    of_checks = [row for row in found if row.dagster_event_type == checks]
    return RunDetail(
        tuple(_windows(of_tables[-_MOST_EVENTS:], names)), tuple(_checks(of_checks[-_MOST_EVENTS:], names))
    )


def _parsed(stored_key: str | None) -> TableAsset | None:
    key = AssetKey.from_db_string(stored_key)
    return parse_asset_key(key.path) if key else None


def _windows(rows: Sequence[tuple[str, LogRow]], names: Mapping[str, str]) -> Iterator[WindowStages]:
    for segment, row in rows:
        entry = deserialize_value(row.event, EventLogEntry)
        event = entry.asset_materialization
        if event is not None:
            yield _stages(event, names.get(segment, segment), datetime.fromtimestamp(entry.timestamp, UTC))


def _stages(event: AssetMaterialization, table: str, at: datetime) -> WindowStages:
    found = {
        label.removesuffix(_STAGE): values.seconds(each.value)
        for label, each in event.metadata.items()
        if label.endswith(_STAGE)
    }
    window = event.metadata.get("window")
    return WindowStages(
        table,
        values.text(window.value) if window else None,
        {stage: taken for stage, taken in found.items() if taken is not None},
        at,
    )


def _checks(rows: Sequence[LogRow], names: Mapping[str, str]) -> Iterator[CheckOutcome]:
    for row in rows:
        event = deserialize_value(row.event, EventLogEntry).dagster_event
        check = event.event_specific_data if event else None
        if isinstance(check, AssetCheckEvaluation):
            key = parse_asset_key(check.asset_key.path)
            table = names.get(key.segment, key.segment) if key else check.asset_key.to_user_string()
            yield CheckOutcome(
                table, check.check_name, check.partition, check.passed, check.severity.value.lower(), check.description
            )
