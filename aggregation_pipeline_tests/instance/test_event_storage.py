"""Dagster's event log, as the processes of a deployment keep it."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from dagster import (
    AssetCheckEvaluation,
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetSpec,
    DagsterEventType,
    DagsterInstance,
    Definitions,
    EventLogEntry,
    EventLogRecord,
    MaterializeResult,
    StaticPartitionsDefinition,
    define_asset_job,
    in_process_executor,
    multi_asset,
)
from dagster._core.instance import InstanceRef
from dagster_postgres import PostgresEventLogStorage, PostgresRunStorage

from aggregation_pipeline.instance.event_storage import EventStorage
from aggregation_pipeline.instance.storage import PostgresStorage
from aggregation_pipeline.postgres.engine import create_engine

DAYS = StaticPartitionsDefinition([f"2026-11-{day:02}" for day in range(1, 6)])
SPECS = [AssetSpec("table"), AssetSpec("csv", deps=["table"]), AssetSpec("manifest", deps=["table", "csv"])]


@pytest.fixture(scope="module")
def url(postgres: Any) -> str:
    return str(postgres.fresh_database())


@contextmanager
def opened_instance(url: str, folder: Path) -> Iterator[DagsterInstance]:
    folder.mkdir(exist_ok=True)
    ours = {
        "module": "aggregation_pipeline.instance.storage",
        "class": "PostgresStorage",
        "config": {"postgres_url": url},
    }
    overrides = {"storage": {"custom": ours}, "telemetry": {"enabled": False}}
    with DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides)) as opened:
        yield opened


@pytest.fixture
def instance(url: str, tmp_path: Path) -> Iterator[DagsterInstance]:
    with opened_instance(url, tmp_path) as opened:
        yield opened


def execute(instance: DagsterInstance, partitions: StaticPartitionsDefinition | None = None, **options: Any) -> Any:
    @multi_asset(specs=SPECS, partitions_def=partitions, check_specs=[AssetCheckSpec("rows", asset="table")])
    def table(context: AssetExecutionContext):
        for spec in SPECS:
            yield MaterializeResult(spec.key, metadata={"text": "中文 😀", "count": 2**53})
        yield AssetCheckResult(passed=True, check_name="rows", asset_key="table")

    definitions = Definitions(assets=[table], jobs=[define_asset_job("all_assets")], executor=in_process_executor)
    return definitions.resolve_job_def("all_assets").execute_in_process(instance=instance, **options)


def tags_of(instance: DagsterInstance, asset: str) -> dict[str, str]:
    event = instance.get_latest_materialization_event(AssetKey(asset))
    assert event is not None
    assert event.asset_materialization is not None
    return dict(event.asset_materialization.tags or {})


def test_an_asset_gets_the_data_versions_of_those_that_its_step_has_made_just_before(instance: DagsterInstance):
    assert execute(instance).success
    assert execute(instance).success
    for upstream in ("table", "csv"):
        made = instance.get_latest_materialization_event(AssetKey(upstream))
        record = instance.get_asset_records([AssetKey(upstream)])[0]
        assert record.asset_entry.last_materialization == made
        tags = tags_of(instance, "manifest")
        assert tags[f"dagster/input_data_version/{upstream}"] == tags_of(instance, upstream)["dagster/data_version"]
        assert tags[f"dagster/input_event_pointer/{upstream}"] == str(
            record.asset_entry.last_materialization_storage_id
        )


def test_a_batch_of_partitions_is_stored_as_if_each_had_come_alone(instance: DagsterInstance):
    keys = list(DAYS.get_partition_keys())
    ranged = {"dagster/asset_partition_range_start": keys[0], "dagster/asset_partition_range_end": keys[-1]}
    result = execute(instance, DAYS, tags=ranged)
    assert result.success
    assert instance.get_materialized_partitions(AssetKey("manifest")) == set(keys)
    made = instance.all_logs(result.run_id, of_type=DagsterEventType.ASSET_MATERIALIZATION)
    partitions = [entry.asset_materialization.partition for entry in made if entry.asset_materialization]
    assert sorted(filter(None, partitions)) == sorted(keys * 3)
    newest = instance.get_latest_materialization_event(AssetKey("manifest"))
    assert newest == made[-1]
    assert newest.asset_materialization is not None
    assert newest.asset_materialization.metadata["text"].value == "中文 😀"


def test_an_event_that_cannot_be_indexed_is_not_stored_by_half(instance: DagsterInstance, url: str):
    before = count(url)
    with create_engine(url, application_name="the test").connect() as connection:
        connection.execute(
            sa.text("ALTER TABLE asset_keys ADD CONSTRAINT refused CHECK (asset_key <> '[\"refused\"]')")
        )
        connection.commit()
    with pytest.raises(sa.exc.IntegrityError):
        instance.report_runless_asset_event(AssetMaterialization("refused"))
    assert count(url) == before
    instance.report_runless_asset_event(AssetMaterialization("table"))
    assert count(url) == before + 1


def test_every_row_is_the_one_that_dagsters_own_storage_writes(instance: DagsterInstance, url: str, postgres: Any):
    """All columns of all tables of the event log; ids and the times at which rows were made are each database's own."""
    result = execute(instance)
    events = list(instance.all_logs(result.run_id))
    observed = AssetObservation("table", metadata={"rows": 10}, tags={"dagster/data_version": "1"})
    unplanned = AssetCheckEvaluation(AssetKey("table"), "unplanned", passed=False, metadata={})
    partition = AssetMaterialization("by_day", partition="2026-11-01", tags={"dagster/data_version": "2"})
    for event in (observed, unplanned, partition):
        instance.report_runless_asset_event(event)
    events += [record.event_log_entry for record in runless(instance)]
    stock = rows_written(PostgresEventLogStorage, str(postgres.fresh_database()), events)
    ours = rows_written(
        lambda address: EventStorage(address, autocommitting(address), PostgresRunStorage(address), create=True),
        str(postgres.fresh_database()),
        events,
    )
    for table, found in stock.items():
        assert found, table
        assert ours[table] == found


def rows_written(
    storage: Callable[[str], PostgresEventLogStorage], address: str, events: Sequence[EventLogEntry]
) -> dict[str, list[Any]]:
    log = storage(address)
    log.store_event_batch([event for event in events if is_planned(event)])
    for event in events:
        if not is_planned(event):
            log.store_event(event)
    log.dispose()
    return rows(autocommitting(address))


def autocommitting(address: str) -> sa.Engine:
    return create_engine(address, application_name="the test").execution_options(isolation_level="AUTOCOMMIT")


def is_planned(event: EventLogEntry) -> bool:
    return event.dagster_event_type in (
        DagsterEventType.ASSET_MATERIALIZATION_PLANNED,
        DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    )


def runless(instance: DagsterInstance) -> list[EventLogRecord]:
    return list(instance.event_log_storage.get_records_for_run("").records)


def rows(engine: sa.Engine) -> dict[str, list[Any]]:
    with engine.connect() as connection:
        return {
            name: [
                {key: value for key, value in row._mapping.items() if key != "create_timestamp"}
                for row in connection.execute(sa.text(f"SELECT * FROM {name} ORDER BY id"))
            ]
            for name in ("event_logs", "asset_keys", "asset_event_tags", "asset_check_executions")
        }


def test_a_connection_that_the_server_has_ended_is_replaced(instance: DagsterInstance, url: str):
    runs = instance.get_runs_count()
    engine = create_engine(url, application_name="the test")
    with engine.begin() as connection:
        ended = connection.execute(
            sa.text(
                "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        )
        assert ended.scalar_one() >= 1
    assert instance.get_runs_count() == runs
    assert execute(instance).success


@contextmanager
def cut_once(when: Literal["before_cursor_execute", "after_cursor_execute"], words: str) -> Iterator[list[str]]:
    """Let the server end the connection before or after the first statement with these words."""
    cut: list[str] = []

    def end(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        if words in statement and not cut:
            cut.append(statement)
            number = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
            engine = create_engine(connection.engine.url.render_as_string(hide_password=False), application_name="test")
            with engine.begin() as other:
                other.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": number})
            if when == "after_cursor_execute":
                # As if the answer had been lost with the connection.
                connection.exec_driver_sql("SELECT 1")

    sa.event.listen(sa.Engine, when, end)
    try:
        yield cut
    finally:
        sa.event.remove(sa.Engine, when, end)


@pytest.mark.parametrize("when", ["before_cursor_execute", "after_cursor_execute"])
def test_an_event_is_stored_once_also_when_the_connection_is_lost_in_the_middle(
    instance: DagsterInstance, url: str, when: Any
):
    before = count(url)
    with cut_once(when, "INSERT INTO event_logs") as cut:
        instance.report_runless_asset_event(AssetMaterialization("table"))
    assert cut
    assert count(url) == before + 1
    record = instance.get_asset_records([AssetKey("table")])[0]
    assert record.asset_entry.last_materialization == instance.get_latest_materialization_event(AssetKey("table"))


def test_a_forked_process_opens_a_connection_of_its_own(instance: DagsterInstance, url: str):
    runs = instance.get_runs_count()
    child = os.fork()
    if child == 0:
        os._exit(0 if instance.get_runs_count() == runs else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert instance.get_runs_count() == runs


def test_tables_that_are_there_are_not_looked_for_again(url: str, instance: DagsterInstance):
    seen: list[str] = []
    this_thread = threading.get_ident()

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        # A thread of an earlier test may still be looking for tables of its own.
        if threading.get_ident() == this_thread:
            seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        log = PostgresStorage.from_config_value(None, {"postgres_url": url}).event_log_storage
        assert isinstance(log, EventStorage)
        assert [statement for statement in seen if "pg_class" in statement] == []
        assert log.has_table("asset_event_tags")
        assert log.has_table("asset_event_tags")
        assert len([statement for statement in seen if "pg_class" in statement]) == 1
        assert not log.has_table("no_such_table")
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def count(url: str) -> int:
    with create_engine(url, application_name="the test").connect() as connection:
        return int(connection.execute(sa.text("SELECT count(*) FROM event_logs")).scalar_one())
