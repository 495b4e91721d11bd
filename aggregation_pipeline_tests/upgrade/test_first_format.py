"""Rows and accounts of the first version are read; tables of a future one are refused."""

import json
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from aggregation_pipeline.access.audit import Audit
from aggregation_pipeline.access.auth_file import read_auth_file
from aggregation_pipeline.access.store import AccessStore
from aggregation_pipeline.alerts import outbox, outbox_table
from aggregation_pipeline.alerts.messages import MessageRenderer
from aggregation_pipeline.batch_jobs import browse, writer
from aggregation_pipeline.batch_jobs.browse import RowFilter
from aggregation_pipeline.batch_jobs.deleted_runs import close_deleted_run
from aggregation_pipeline.errors import AccessError, AlertError, LaunchError
from aggregation_pipeline.launching import requests
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.upgrade.first_format import SAMPLES, sample_tables

REQUEST = UUID("00000000-0000-0000-0000-00000000000a")


@pytest.fixture
def engine(postgres: PostgresServer) -> sa.Engine:
    return sample_tables(postgres.fresh_database())


@pytest.fixture
def access(engine: sa.Engine) -> Iterator[AccessStore]:
    store = AccessStore(engine.url.render_as_string(hide_password=False))
    yield store
    store.close()


def test_rows_of_batch_jobs_are_listed_and_changed(engine: sa.Engine):
    with engine.connect() as connection:
        (listed,) = browse.list_rows(connection, RowFilter(job_type="data_collection"))
        dagster = listed["metadata"]["dagster"]
        assert "format" not in dagster
        owner = Owner(dagster["deployment"], dagster["instance"])
        (row,) = writer.read_rows(connection, owner, [UUID(listed["id"])])
        assert (row.status, row.total_items, row.platforms_processed) == ("completed", 5, ("users",))
        assert writer.record(connection, row) is False
        assert writer.record(connection, close_deleted_run(row, row.created_at)) is True
        assert writer.prune(connection, owner, row.created_at + timedelta(days=1)) == 1


def test_the_outbox_goes_on_where_it_was(engine: sa.Engine):
    assert outbox_table.ensure_tables(engine) is False
    with engine.connect() as connection:
        assert {each.subject for each in outbox.open_incidents(connection, "sample")} == {"table users", "table orders"}
        renderer = MessageRenderer("sample", "en", ZoneInfo("UTC"))
        made = outbox.make_messages(
            connection, "sample", renderer, ["json 12345678"], window=timedelta(0), chance=random.Random(1)
        )
        assert made == 2
        bodies = connection.execute(sa.select(outbox_table.deliveries.c.body)).scalars().all()
    assert len(bodies) == 3
    assert any("a wrong column" in body for body in bodies)


def test_a_request_is_found(engine: sa.Engine):
    with engine.connect() as connection:
        found = requests.find(connection, REQUEST)
    assert found is not None
    assert [run.tables for run in found.plan.runs] == [("users",)]


def test_the_audit_log_and_accounts_are_read(access: AccessStore, tmp_path: Path):
    assert [entry.what for entry in Audit(access).entries()] == ["tokens create", "users add", "users add"]
    path = tmp_path / "auth.json"
    shutil.copy(SAMPLES / "auth.json", path)
    path.chmod(0o600)
    data = read_auth_file(path)
    assert data is not None
    assert (sorted(data.users), sorted(data.tokens)) == (["alice", "bob"], ["nightly"])


def test_accounts_of_the_future_are_refused(tmp_path: Path):
    path = tmp_path / "auth.json"
    document = json.loads((SAMPLES / "auth.json").read_text(encoding="utf-8"))
    path.write_text(json.dumps({**document, "version": 2, "groups": {}}), encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(AccessError, match=r"auth\.json is of format 2, .* Upgrade this program"):
        read_auth_file(path)


def _use_outbox(engine: sa.Engine) -> None:
    outbox_table.ensure_tables(engine)


def _find_request(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        requests.find(connection, REQUEST)


def _make_request_table(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        requests.ensure_table(connection)


def _use_access(engine: sa.Engine) -> None:
    store = AccessStore(engine.url.render_as_string(hide_password=False))
    try:
        with store.transaction():
            pass
    finally:
        store.close()


@pytest.mark.parametrize(
    ("schema", "use", "error"),
    [
        ("aggregation_alerts", _use_outbox, AlertError),
        ("aggregation_launches", _find_request, LaunchError),
        ("aggregation_launches", _make_request_table, LaunchError),
        ("aggregation_access", _use_access, AccessError),
    ],
)
def test_tables_of_the_future_are_refused(
    schema: str, use: Callable[[sa.Engine], None], error: type[Exception], engine: sa.Engine
):
    use(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"COMMENT ON SCHEMA {schema} IS 'aggregation-pipeline 1.2.3, format 2'")
    with pytest.raises(
        error, match=rf"{schema} of PostgreSQL is of format 2, which aggregation-pipeline 1\.2\.3 wrote"
    ):
        use(engine)
