"""Questions to Dagster's table event_logs that DagsterInstance has no method for."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from dagster import AssetKey, DagsterEventType, DagsterInstance
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from sqlalchemy import ARRAY, Select, Text, cast, func, select
from sqlalchemy.exc import SQLAlchemyError

from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.postgres.engine import safe_reason

# A row, with the columns that a query selects.
LogRow: TypeAlias = Any


def ask_log(instance: DagsterInstance, query: Select[Any], *, of_assets: bool = False) -> Sequence[LogRow]:
    """Return the rows of a query of event_logs.

    `of_assets`: the query is about events of assets alone, which SQLite has in one file; of all others it has a file a
    run.

    Raises:
        MirrorError: the event log cannot be read.
    """
    storage = instance.event_log_storage
    is_sqlite = isinstance(storage, SqliteEventLogStorage)
    if not isinstance(storage, SqlEventLogStorage) or (is_sqlite and not of_assets):
        raise MirrorError(
            f"Dagster keeps its events in {type(storage).__name__}, which has no table of all events. Configure"
            " PostgreSQL in dagster.yaml"
        )
    try:
        with storage.index_connection() if is_sqlite else storage.run_connection(None) as connection:
            return connection.execute(query).all()
    except SQLAlchemyError as error:
        raise MirrorError(f"Dagster's events cannot be read ({safe_reason(error)})") from error


def newest_partitions(instance: DagsterInstance, keys: Sequence[AssetKey]) -> Mapping[AssetKey, str]:
    """Return the greatest partition that each asset was ever materialized for, where there is one.

    One look into the index for each asset, however long its history is.

    Raises:
        MirrorError: the event log cannot be read.
    """
    by_text = {key.to_string(): key for key in keys}
    log = SqlEventLogStorageTable.c
    wanted = select(func.unnest(cast(list(by_text), ARRAY(Text))).label("asset_key")).subquery()
    newest = (
        select(log.partition)
        .where(
            log.asset_key == wanted.c.asset_key,
            log.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION.value,
            log.partition.is_not(None),
        )
        .order_by(log.partition.desc())
        .limit(1)
        .scalar_subquery()
    )
    found = ask_log(instance, select(wanted.c.asset_key, newest)) if by_text else ()
    return {by_text[text]: partition for text, partition in found if partition is not None}
