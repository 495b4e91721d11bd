"""Each check, on a real server: it works, is stopped, is frozen, refuses; and nothing is left behind."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from pydantic import SecretStr

from aggregation_pipeline.errors import MirrorError, PipelineError, SourceError, SourceLostError, StorageError
from aggregation_pipeline.health.batch_jobs import batch_jobs_check
from aggregation_pipeline.health.files import files_check
from aggregation_pipeline.health.postgres import PostgresCheck
from aggregation_pipeline.health.probe import LIMIT_SECONDS
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.source.mysql.health import MySQLCheck
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline_tests.support.freezing import frozen
from aggregation_pipeline_tests.support.oss_deployment import oss_variables
from aggregation_pipeline_tests.support.runs import new_batch_jobs
from aggregation_pipeline_tests.support.waiting import until

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer
    from aggregation_pipeline_tests.support.servers.oss import OssServer

# What one check may take: twice two seconds, for the kept connection and for a new one, and some for a busy machine.
BOUND_SECONDS = 12.0


def settings(**variables: str) -> Settings:
    return Settings.model_validate({name.lower(): value for name, value in variables.items()})


def sessions_become(server: "MySQLServer", expected: int) -> bool:
    """Whether the server has that many sessions of checks: it still lists one that has said goodbye for a moment."""

    others = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = 'test' AND id <> CONNECTION_ID()"
    with server.connect() as connection, connection.cursor() as cursor:

        def found() -> bool:
            cursor.execute(others)
            return (cursor.fetchone() or ()) == (expected,)

        return bool(until(f"{expected} sessions of checks", found, 30))


def open_files() -> int:
    return psutil.Process().num_fds()


def seconds_of(check: Callable[[], str | None]) -> tuple[float, str]:
    """How long a check takes, and what it says that is wrong."""
    began = time.monotonic()
    try:
        problem = check()
    except PipelineError as error:
        problem = str(error)
    return time.monotonic() - began, str(problem)


@pytest.fixture
def mysql_check(mariadb: "MySQLServer") -> Iterator[MySQLCheck]:
    check = MySQLCheck(
        SourceOptions(database="test", user="root", host="127.0.0.1", port=mariadb.port or 0), int(LIMIT_SECONDS)
    )
    yield check
    check.close()


def test_mysql_is_asked_by_one_connection_that_is_kept(mysql_check: MySQLCheck, mariadb: "MySQLServer"):
    for _ in range(5):
        mysql_check()
        assert sessions_become(mariadb, 1)
    mysql_check.close()
    assert sessions_become(mariadb, 0)


def test_every_server_answers(mysql: "MySQLServer"):
    check = MySQLCheck(
        SourceOptions(database="test", user=mysql.user, socket=Path(mysql.unix_socket)), int(LIMIT_SECONDS)
    )
    check()
    check()
    check.close()


def test_a_connection_that_the_server_has_closed_is_replaced(mysql_check: MySQLCheck, mariadb: "MySQLServer"):
    mysql_check()
    with mariadb.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT id FROM information_schema.processlist WHERE db = 'test' AND id <> CONNECTION_ID()")
        for (session,) in cursor.fetchall():
            cursor.execute(f"KILL {session}")
    mysql_check()
    assert sessions_become(mariadb, 1)


@pytest.mark.slow
def test_a_frozen_mysql_costs_one_connection_at_a_time(mysql_check: MySQLCheck, mariadb: "MySQLServer"):
    mysql_check()
    before = open_files()
    with frozen(mariadb.pid):
        for _ in range(2):
            taken, problem = seconds_of(mysql_check)
            assert "server" in problem
            assert taken < BOUND_SECONDS
            assert open_files() <= before
    mysql_check()
    assert open_files() == before


def test_a_mysql_that_is_stopped_or_refuses_says_so(mariadb: "MySQLServer"):
    stopped = MySQLCheck(SourceOptions(database="test", user="root", host="127.0.0.1", port=1), int(LIMIT_SECONDS))
    with pytest.raises(SourceLostError, match=r"127\.0\.0\.1:1"):
        stopped()
    refused = MySQLCheck(
        SourceOptions(
            database="test", user="root", host="127.0.0.1", port=mariadb.port or 0, password=SecretStr("hunter2")
        ),
        int(LIMIT_SECONDS),
    )
    with pytest.raises(SourceError, match="1045") as told:
        refused()
    assert "hunter2" not in str(told.value)
    stopped.close()
    refused.close()


def test_postgresql_answers_and_keeps_one_connection(postgres: "PostgresServer"):
    check = PostgresCheck(postgres.fresh_database())
    assert check() is None
    before = open_files()
    assert [check() for _ in range(3)] == [None] * 3
    assert open_files() == before
    check.close()


@pytest.mark.slow
def test_a_frozen_postgresql_is_told_of_in_time_and_costs_nothing_that_stays(postgres: "PostgresServer"):
    check = PostgresCheck(postgres.fresh_database())
    assert check() is None
    before = open_files()
    with frozen(postgres.server.child.pid):
        for _ in range(2):
            taken, problem = seconds_of(check)
            assert problem.startswith("Dagster's PostgreSQL does not answer")
            assert taken < BOUND_SECONDS
            assert open_files() <= before
    assert check() is None
    check.close()


def test_a_postgresql_that_is_stopped_refuses_at_once(tmp_path: Path):
    check = PostgresCheck(f"postgresql://postgres@/postgres?host={tmp_path}")
    taken, problem = seconds_of(check)
    assert taken < 1
    assert problem.startswith("Dagster's PostgreSQL does not answer (connection to server on socket")
    check.close()


def test_the_bucket_is_asked_for_an_object_that_is_never_there(oss_server: "OssServer"):
    check = files_check(settings(**oss_variables(oss_server), OSS_PREFIX="daily"))
    assert check() is None
    assert [(sent.method, sent.key, sent.status) for sent in oss_server.requests] == [
        ("GET", "daily/_never_stored", 404)
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"OSS_ACCESS_KEY_SECRET": "anotherSecret"}, "SignatureDoesNotMatch"),
        ({"OSS_ACCESS_KEY_ID": "LTAIunknown"}, "InvalidAccessKeyId"),
        ({"OSS_BUCKET": "no-such-bucket"}, "NoSuchBucket"),
        ({"OSS_ENDPOINT": "http://127.0.0.1:1"}, "127.0.0.1:1"),
    ],
)
def test_a_bucket_that_cannot_be_read_says_why(oss_server: "OssServer", changes: dict[str, str], told: str):
    check = files_check(settings(**oss_variables(oss_server) | changes))
    with pytest.raises(StorageError, match=told) as said:
        check()
    assert "anotherSecret" not in str(said.value)


def test_the_folder_is_looked_at_where_no_bucket_is_configured(tmp_path: Path):
    check = files_check(settings(STORAGE_DIR=str(tmp_path / "exports")))
    assert check() is None
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "exports").write_text("a file")
    with pytest.raises(StorageError, match="is no folder"):
        check()


def test_batch_jobs_in_a_database_of_its_own_is_read(postgres: "PostgresServer"):
    url = postgres.fresh_database()
    check, close = batch_jobs_check(settings(BATCH_JOBS_URL=url))
    with pytest.raises(MirrorError):
        check()
    new_batch_jobs(url).dispose()
    assert check() is None
    close()


def test_a_supabase_that_does_not_answer_is_told_of_in_time():
    check, _ = batch_jobs_check(settings(SUPABASE_URL="http://127.0.0.1:1", SUPABASE_KEY="key"))
    taken, problem = seconds_of(check)
    assert taken < BOUND_SECONDS
    assert problem.startswith("batch_jobs cannot be reached by http://127.0.0.1:1")
