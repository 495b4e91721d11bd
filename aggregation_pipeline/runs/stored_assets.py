"""What assets have published last, by Dagster's own table of assets.

Dagster's own reading makes a hundred objects of each materialization, most of them of its preview and its columns. For
thousands of tables that takes many seconds of each look at a page.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dagster import AssetKey, DagsterInstance, EventLogRecord, deserialize_value
from dagster._core.storage.event_log.schema import AssetKeyTable
from sqlalchemy import or_, select

from aggregation_pipeline.runs.log_query import ask_log
from aggregation_pipeline.runs.stored_metadata import plain_metadata


@dataclass(frozen=True)
class Materialization:
    """The last one of an asset.

    Attributes:
        at: when.
        run_id: of the run that made it.
        metadata: the values that were asked for, by their labels; those that it lacks are missing.
    """

    at: datetime
    run_id: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class StoredAsset:
    """An asset that Dagster knows: its last materialization, and the last run that planned one."""

    last: Materialization | None
    last_run_id: str | None


def stored_assets(
    instance: DagsterInstance, keys: Sequence[AssetKey], labels: Collection[str]
) -> Mapping[AssetKey, StoredAsset]:
    """Return what Dagster knows of these assets; those that were never planned, or were wiped since, are missing.

    Args:
        instance: with the assets.
        keys: of the assets.
        labels: of the metadata that are wanted: texts and numbers.

    Raises:
        MirrorError: the table cannot be read.
    """
    by_text = {key.to_string(): key for key in keys}
    asset = AssetKeyTable.c
    query = select(asset.asset_key, asset.last_materialization, asset.last_run_id).where(
        asset.asset_key.in_(by_text),
        or_(asset.wipe_timestamp.is_(None), asset.last_materialization_timestamp > asset.wipe_timestamp),
    )
    found = ask_log(instance, query) if by_text else ()
    return {by_text[text]: StoredAsset(_materialization(last, labels), run_id) for text, last, run_id in found}


def _materialization(record: str | None, labels: Collection[str]) -> Materialization | None:
    if record is None:
        return None
    try:
        entry = json.loads(record)["event_log_entry"]
        at, run_id, metadata = float(entry["timestamp"]), str(entry["run_id"]), plain_metadata(entry, labels)
    except (LookupError, TypeError):
        # Of another shape than the one that is known here.
        read = deserialize_value(record, EventLogRecord).event_log_entry
        stored = read.asset_materialization.metadata if read.asset_materialization else {}
        at, run_id = read.timestamp, read.run_id
        metadata = {label: stored[label].value for label in stored.keys() & set(labels)}
    return Materialization(datetime.fromtimestamp(at, UTC), run_id, metadata)
