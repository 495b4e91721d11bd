"""When each table was published last, by Dagster's events."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

import sqlalchemy as sa
from dagster import AssetKey, DagsterEventType, DagsterInstance
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from sqlalchemy.dialects.postgresql import ARRAY

from aggregation_pipeline.runs.asset_keys import MANIFEST, export_path
from aggregation_pipeline.runs.log_query import ask_log


def last_publications(instance: DagsterInstance, segments: Collection[str]) -> Mapping[str, datetime]:
    """Return when each of these tables last published a window; those that never did are missing.

    One step into an index of Dagster's for each table. Dagster's own table of assets has a column for this moment, but
    it moves when a run is planned, too.

    Raises:
        MirrorError: the event log cannot be read.
    """
    manifests = {AssetKey(export_path(segment, MANIFEST)).to_string(): segment for segment in segments}
    log = SqlEventLogStorageTable.c
    key = sa.func.unnest(sa.cast(list(manifests), ARRAY(sa.Text))).column_valued("key")
    latest = (
        sa.select(log.timestamp)
        .where(log.asset_key == key, log.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value)
        .order_by(log.id.desc())
        .limit(1)
        .lateral("latest")
    )
    found = ask_log(instance, sa.select(key, latest.c.timestamp).join(latest, sa.true())) if manifests else ()
    return {manifests[manifest]: moment.replace(tzinfo=UTC) for manifest, moment in found}
