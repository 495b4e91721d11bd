"""`check` on real servers: what is well, what is not, what it puts right, and what it leaves behind."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.freezing import frozen
from aggregation_pipeline_tests.support.oss_deployment import oss_variables
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.servers.oss import OssServer


def check(*options: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """The exit code, and each finding by its subject and name."""
    result = CliRunner().invoke(main, ["check", "--json", *options])
    assert "Traceback" not in result.output
    document = json.loads(result.stdout)
    assert document["ok"] == (result.exit_code == 0)
    return result.exit_code, {(each["subject"], each["name"]): each for each in document["findings"]}


def test_each_subject_says_what_it_found(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    shop.enter(monkeypatch)
    code, found = check()
    assert code == 1
    assert {subject for subject, _ in found} == {
        *("settings", "mysql", "postgres", "batch_jobs", "files", "dagster", "workers", "machine", "alerts")
    }
    assert [each for each in found.values() if each["name"] == "stopped"] == []
    failures = {key for key, each in found.items() if each["status"] == "failure"}
    # A test before this one may have let a daemon run on the same storage.
    assert failures - {("dagster", "daemon")} == {("mysql", "tables.gone")}
    assert found["settings", "tables.orders.schedule"]["status"] == "warning"
    assert "runs as '0 2 * * 1#1'" in found["settings", "tables.orders.schedule"]["text"]
    assert found["mysql", "reach"]["text"].endswith("MariaDB, version " + found["mysql", "reach"]["text"].split()[-1])
    assert found["mysql", "snapshot"]["status"] == "ok"
    assert found["mysql", "grants"]["status"] == "warning"
    assert "CREATE INDEX ... ON orders (created_at)" in found["mysql", "tables.orders"]["remedy"]
    assert found["postgres", "pooler"]["text"] == "sessions last"
    assert found["postgres", "time zone"]["text"] == "sessions are in UTC"
    for right in ("PutObject", "GetObject", "ListObjects", "DeleteObject"):
        assert found["files", right]["status"] == "ok"
    assert list(shop.exports.rglob("*check*")) == []
    assert found["alerts", "channels"]["status"] == "warning"


def test_what_is_put_right_is_well_the_next_time(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
):
    shop.execute("CREATE INDEX by_day ON orders (created_at)")
    shop.execute("CREATE OR REPLACE USER reader IDENTIFIED BY 'canary-password'", "GRANT SELECT ON *.* TO reader")
    url = postgres.fresh_database()
    shop.enter(monkeypatch, DB_USER="reader", DB_PASSWORD="canary-password", BATCH_JOBS_URL=url)
    _, found = check()
    assert found["mysql", "grants"]["text"] == "the account can read, and no more"
    assert found["mysql", "tables.orders"]["status"] == "ok"
    assert found["batch_jobs", "table"]["status"] == "warning"
    assert table_of(url) is None
    _, found = check("--fix")
    assert "has been created" in found["batch_jobs", "table"]["text"]
    assert table_of(url) == "batch_jobs"
    _, found = check()
    assert found["batch_jobs", "table"]["text"] == "public.batch_jobs is there"
    assert "canary-password" not in json.dumps(list(found.values()))


def table_of(url: str) -> str | None:
    with create_engine(url, application_name="test").connect() as connection:
        name: str | None = connection.execute(sa.text("SELECT to_regclass('public.batch_jobs')::text")).scalar_one()
        return name


def test_servers_that_are_away_are_failures_of_their_own_subjects(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    away = "postgresql://somebody:canary-secret@127.0.0.1:1/none"
    shop.enter(monkeypatch, DB_SOCKET="", DB_HOST="127.0.0.1", DB_PORT="1", DAGSTER_PG_URL=away)
    code, found = check()
    assert code == 1
    assert "Check DAGSTER_PG_URL" in found["postgres", "reach"]["remedy"]
    for subject in ("mysql", "batch_jobs", "dagster"):
        assert [each for (of, _), each in found.items() if of == subject and each["status"] == "failure"]
    assert found["batch_jobs", "rows"]["text"].endswith("Check DAGSTER_PG_URL")
    assert "error 2003" in found["mysql", "connection"]["text"]
    assert "The run can be repeated" not in found["mysql", "connection"]["text"]
    assert found["files", "PutObject"]["status"] == "ok"
    assert "canary-secret" not in json.dumps(list(found.values()))


def test_what_cannot_be_loaded_is_one_line_and_the_rest_is_looked_at(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    shop.configure("tables: {users: {selct_fields: [id]}}")
    shop.enter(monkeypatch)
    code, found = check()
    assert code == 1
    assert "selct_fields" in found["settings", "aggregation.yaml"]["text"]
    assert found["mysql", "snapshot"]["status"] == "ok"
    shop.configure("tables: {users: {}}")
    shop.enter(monkeypatch, DAGSTER_PG_URL="")
    code, found = check()
    assert code == 1
    assert "DAGSTER_PG_URL" in found["settings", "variables"]["text"]
    assert found["files", "PutObject"]["status"] == "ok"
    shop.enter(monkeypatch, CRON_SCHEDULE="0 2 1-7 * 1")
    code, found = check()
    assert code == 1
    (alone,) = found.values()
    assert "for days that are both write '0 2 * * 1#1'" in alone["text"]


@pytest.mark.parametrize(
    ("right", "name"),
    [
        ("oss:PutObject", "PutObject"),
        ("oss:GetObject", "GetObject"),
        ("oss:ListObjects", "ListObjects"),
        ("oss:DeleteObject", "DeleteObject"),
        ("oss:AbortMultipartUpload", "AbortMultipartUpload"),
        ("oss:ListParts", "ListParts"),
        ("oss:GetBucketLifecycle", "lifecycle"),
    ],
)
def test_a_right_that_the_key_lacks_is_named_and_hides_no_other(
    right: str, name: str, oss_server: OssServer, shop: Deployment, monkeypatch: pytest.MonkeyPatch
):
    oss_server.access.denied = {right: ""}
    shop.enter(monkeypatch, **oss_variables(oss_server), OSS_PREFIX="daily")
    code, found = check()
    assert code == 1
    bad = found["files", name]
    assert bad["status"] == ("warning" if name in ("lifecycle", "ListParts") else "failure")
    assert right in bad["text"]
    others = {each["name"] for (of, _), each in found.items() if of == "files" and each["status"] == "failure"}
    assert others <= {name, "AbortMultipartUpload"}
    assert found["files", "clock"]["status"] == "ok"
    assert found["files", "endpoint"]["status"] == "warning"


def test_lines_for_people_end_with_the_counts(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    shop.enter(monkeypatch)
    result = CliRunner().invoke(main, ["check"])
    *lines, counts = result.stdout.splitlines()
    assert all(line.split()[0] in ("ok", "warning", "failure") for line in lines)
    assert counts.startswith(f"{sum(line.startswith('ok ') for line in lines)} ok, ")
    assert any(line.startswith("failure") and "GRANT SELECT on it" in line for line in lines)


@pytest.mark.slow
def test_frozen_servers_are_failures_of_their_own_subjects(
    shop: Deployment, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    shop.enter(monkeypatch)
    with frozen(shop.source.pid), frozen(postgres.server.child.pid):
        code, found = check()
    assert code == 1
    for subject in ("mysql", "postgres", "batch_jobs", "dagster"):
        assert [each for (of, _), each in found.items() if of == subject and each["status"] == "failure"]
    assert found["files", "DeleteObject"]["status"] == "ok"
    assert check()[1]["mysql", "snapshot"]["status"] == "ok"
