"""Where a test of the whole way works: tables of Dagster, files and folders of its own, which go with it.

A run in the deployment's own storage would count: its partitions would be done, and alerts and catch-up would look at
it. What a killed test leaves is removed by the next.
"""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from dagster import DagsterInstance
from pydantic import SecretStr

from aggregation_pipeline.batch_jobs.postgres_errors import mirror_errors
from aggregation_pipeline.doctor.trials.rows import JOB_TYPE
from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.instance.storage import PostgresStorage
from aggregation_pipeline.local.private_home import make_home, packaged_config
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.postgres.url import in_schema
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.connections import open_store
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import tests_root
from aggregation_pipeline.tempfiles.working_directory import working_directory

SCHEMA: Final = "aggregation_batch_jobs_test"
# Without it, a schema of this name is somebody else's.
_MARK: Final = "Made by aggregation-pipeline batch-jobs test, which drops it again"
_FOUND: Final = sa.text("SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :name")
_NAME: Final = "aggregation cli"
# Not DAGSTER_PG_URL: that one goes on to name the deployment's storage, and may be given as a file.
_VARIABLE: Final = "AGGREGATION_TEST_PG_URL"
_ID: Final = sa.text("INSERT INTO instance_info (run_storage_id) VALUES (:id)")


@contextmanager
def place_of_test(
    settings: Settings, connection: sa.Connection, owner: Owner
) -> Iterator[tuple[Settings, Callable[[], AbstractContextManager[DagsterInstance]]]]:
    """Make the place. Yield the settings by which a run works there, and what opens Dagster's storage there.

    `connection` holds the lock of tests.

    Raises:
        MirrorError: the schema cannot be made.
        StorageError: TEMP_DIR cannot be used, or what an earlier test left in the bucket cannot be deleted.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(working_directory(settings.temp_dir))
        stack.enter_context(_schema(connection))
        url = in_schema(settings.require_dagster_url(), SCHEMA)
        changes: dict[str, object] = {"dagster_pg_url": SecretStr(url), "batch_job_type": JOB_TYPE}
        if settings.batch_jobs_url is None and settings.supabase_url is None:
            changes["batch_jobs_url"] = settings.dagster_pg_url
        if settings.oss_options is None:
            changes["storage_dir"] = folder / "exports"
        else:
            store, root = open_store(settings), tests_root(settings.oss_prefix)
            remove_objects(store, root)
            stack.callback(remove_objects, store, root)
            changes["oss_prefix"] = f"{root}{owner.instance[-12:]}"
        home = make_home(folder / "dagster", packaged_config(), url_variable=_VARIABLE)
        yield settings.model_copy(update=changes), functools.partial(_open_instance, home, url, owner)


def remove_objects(store: ObjectStore, root: str) -> int:
    """Delete all objects of tests, and return how many."""
    keys = [stored.key for stored in store.list(root)]
    for key in keys:
        store.delete(key)
    return len(keys)


@contextmanager
def _schema(connection: sa.Connection) -> Iterator[None]:
    """Make the schema anew, and drop it in the end."""
    _drop(connection)
    refused = (
        "Dagster's tables of the test cannot be made ({reason}). The user of DAGSTER_PG_URL needs the right to make a"
        " schema: GRANT CREATE ON DATABASE ... TO it"
    )
    with mirror_errors(refused=refused), connection.begin():
        connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
        connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{_MARK}'")
    try:
        yield
    finally:
        _drop(connection)


def _drop(connection: sa.Connection) -> None:
    refused = f"the schema {SCHEMA} of an earlier test cannot be dropped ({{reason}})"
    with mirror_errors(refused=refused), connection.begin():
        found = connection.execute(_FOUND, {"name": SCHEMA}).all()
        if found and found[0][0] != _MARK:
            raise MirrorError(
                f"there is a schema {SCHEMA} that no test has made, so it is left alone. Give it another name"
            )
        if found:
            connection.exec_driver_sql(f"DROP SCHEMA {SCHEMA} CASCADE")


@contextmanager
def _open_instance(home: Path, url: str, owner: Owner) -> Iterator[DagsterInstance]:
    """Open Dagster's storage in the schema, as that of this owner."""
    _refuse_other_schema(url)
    PostgresStorage.patience = 0.0
    os.environ[_VARIABLE] = url
    try:
        with DagsterInstance.from_config(str(home)) as instance:
            with create_engine(url, application_name=_NAME).begin() as connection:
                connection.exec_driver_sql("DELETE FROM instance_info")
                connection.execute(_ID, {"id": owner.instance})
            yield instance
    finally:
        del os.environ[_VARIABLE]


def _refuse_other_schema(url: str) -> None:
    with mirror_errors(refused="{reason}"), create_engine(url, application_name=_NAME).connect() as connection:
        found = connection.exec_driver_sql("SELECT current_schema()").scalar_one()
    if found != SCHEMA:
        raise MirrorError(
            "a pooler before Dagster's PostgreSQL drops the `options` of connections, so that a test would write among"
            " the runs of the deployment. Nothing was written. Take the direct connection in DAGSTER_PG_URL"
        )
