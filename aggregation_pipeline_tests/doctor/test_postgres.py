"""What the doctor says of Dagster's PostgreSQL and of batch_jobs, for users who may do less than the owner."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from aggregation_pipeline.doctor.batch_jobs import examine_batch_jobs
from aggregation_pipeline.doctor.postgres import examine_postgres
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.doctor.conftest import found_by
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.runs import new_batch_jobs
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.servers.transaction_pooler import transaction_pooler


@pytest.fixture
def limited(postgres: PostgresServer) -> Iterator[str]:
    """A new database with batch_jobs, by a user who may write the table, but has three connections and no policy."""
    url = postgres.fresh_database()
    database = sa.make_url(url).database
    with new_batch_jobs(url).begin() as connection:
        connection.exec_driver_sql("CREATE ROLE doctor LOGIN CONNECTION LIMIT 5 PASSWORD 'canary'")
        connection.exec_driver_sql("GRANT ALL ON public.batch_jobs TO doctor")
        connection.exec_driver_sql("ALTER TABLE public.batch_jobs ENABLE ROW LEVEL SECURITY")
        connection.exec_driver_sql(f"ALTER DATABASE {database} SET timezone = 'Asia/Shanghai'")
    yield sa.make_url(url).set(username="doctor", password="canary").render_as_string(hide_password=False)
    with create_engine(url, application_name="test").begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY doctor")
        connection.exec_driver_sql("DROP ROLE doctor")


def test_few_connections_missing_rights_and_row_security_are_told(
    limited: str, shop: Deployment, monkeypatch: pytest.MonkeyPatch
):
    shop.enter(monkeypatch, DAGSTER_PG_URL=limited)
    found = found_by(examine_postgres)
    assert found["connections"].status == "warning"
    assert found["connections"].text.startswith(
        "the user may have 5 connections; 4 runs at once and the services take about 28"
    )
    assert found["time zone"].text == "sessions are in UTC"
    assert found["rights"].status == "failure"
    assert "GRANT CREATE on the schema" in found["rights"].text
    jobs = found_by(examine_batch_jobs)
    assert jobs["table"].status == "ok"
    assert jobs["row security"].status == "warning"
    assert jobs["rows"].status == "failure"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "ALTER TABLE batch_jobs ADD CHECK (status IN ('pending', 'in_progress', 'done'))",
            "violates check constraint",
        ),
        ("CREATE TRIGGER t BEFORE UPDATE ON batch_jobs FOR EACH ROW EXECUTE FUNCTION nothing()", "drops rows"),
        ("CREATE TRIGGER t BEFORE INSERT ON batch_jobs FOR EACH ROW EXECUTE FUNCTION nothing()", "drops rows"),
    ],
)
def test_a_table_that_takes_some_rows_only_is_a_failure(
    postgres: PostgresServer, shop: Deployment, monkeypatch: pytest.MonkeyPatch, change: str, words: str
):
    url = postgres.fresh_database()
    with new_batch_jobs(url).begin() as connection:
        connection.exec_driver_sql(
            "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
        )
        connection.exec_driver_sql(change)
    shop.enter(monkeypatch, DAGSTER_PG_URL=url)
    rows = found_by(examine_batch_jobs)["rows"]
    assert (rows.status, words in rows.text) == ("failure", True), rows.text
    with create_engine(url, application_name="test").connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM batch_jobs").scalar_one() == 0


def test_a_database_that_takes_no_writes_is_a_failure(
    postgres: PostgresServer, shop: Deployment, monkeypatch: pytest.MonkeyPatch
):
    url = postgres.fresh_database()
    with create_engine(url, application_name="test").connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {sa.make_url(url).database} SET default_transaction_read_only = on")
        connection.commit()
    shop.enter(monkeypatch, DAGSTER_PG_URL=url)
    assert "takes no writes" in found_by(examine_postgres)["rights"].text


def test_a_pooler_by_transactions_is_a_failure(
    postgres: PostgresServer, shop: Deployment, monkeypatch: pytest.MonkeyPatch
):
    direct = sa.make_url(postgres.url).difference_update_query(["host"])
    with transaction_pooler(postgres.server.socket_folder / ".s.PGSQL.5432") as port:
        shop.enter(monkeypatch, DAGSTER_PG_URL=str(direct.set(host="127.0.0.1", port=port)))
        found = found_by(examine_postgres)["pooler"]
    assert found.status == "failure"
    assert "the pooler's session mode" in found.remedy
