"""Two sources that are one server under two names: `check` tells where the one shows what the other masks."""

import pytest

from aggregation_pipeline.doctor.examination import examine
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.doctor.subjects import subjects_of
from aggregation_pipeline.project import load_project
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.reading import run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

MASKED = "{source: one, mask: {phone: partial}, select_fields: ['*']}"


def masks(
    shop: Deployment, monkeypatch: pytest.MonkeyPatch, entries: str, *, other: str = "", **variables: str
) -> dict[str, str]:
    """What `check` says of masks, by subject: one server is at 127.0.0.1, at localhost and at its socket."""
    server = shop.source
    shop.configure(f"""
        sources:
          one: {{host: 127.0.0.1, port: {server.port}, user: root, database: {shop.database}}}
          two: {{host: localhost, port: {server.port}, user: root, database: {other or shop.database}}}
        tables:
          {entries}
        """)
    shop.enter(monkeypatch, **variables)
    case = Case(load_settings(), load_project(load_settings()))
    subjects = {name: each for name, each in subjects_of(case).items() if name.startswith("mysql")}
    return {each.subject: each.text for each in examine(case, subjects) if each.name == "masks"}


@pytest.fixture
def people(shop: Deployment) -> Deployment:
    shop.execute(
        "ALTER TABLE users ADD COLUMN phone VARCHAR(20)", "CREATE VIEW everybody AS SELECT id, phone FROM users"
    )
    return shop


@pytest.mark.parametrize(
    ("entry", "subject"),
    [
        ("{source: two, table: users, select_fields: ['*']}", "mysql_two"),
        ("{table: users, select_fields: [id, phone]}", "mysql"),
        ("{source: two, table: DATABASE.users, group_by: [phone]}", "mysql_two"),
        ("{source: two, table: everybody, select_fields: [id]}", "mysql_two"),
        (
            "{source: two, table: orders, select_fields: [id, {expr: (SELECT MAX(phone) FROM users), alias: m}]}",
            "mysql_two",
        ),
    ],
)
def test_one_server_under_two_names_is_told_by_what_it_says_of_itself(
    people: Deployment, monkeypatch: pytest.MonkeyPatch, entry: str, subject: str
):
    read = entry.replace("DATABASE", people.database)
    (told,) = masks(people, monkeypatch, f"users: {MASKED}\n          read: {read}").items()
    assert told[0] == subject
    assert f"the source one, at 127.0.0.1:{people.source.port}, is the same server, and read reads " in told[1]
    assert "users, of which the entry users masks phone" in told[1]


@pytest.mark.parametrize(
    "entry",
    [
        "{source: two, table: users, select_fields: [id]}",
        "{source: two, table: users, select_fields: ['*'], mask: {phone: drop}}",
        "{source: two, table: users, select_fields: ['*'], mask: {phone: keep}}",
        "{source: one, table: orders, select_fields: ['*']}",
    ],
)
def test_nothing_is_said_where_nothing_masked_is_shown(people: Deployment, monkeypatch: pytest.MonkeyPatch, entry: str):
    assert masks(people, monkeypatch, f"users: {MASKED}\n          read: {entry}") == {}


def test_another_database_or_another_server_has_other_tables(
    people: Deployment, mysql56: MySQLServer, monkeypatch: pytest.MonkeyPatch
):
    entries = f"users: {MASKED}\n          read: {{source: two, table: users, select_fields: ['*']}}"
    database = people.source.fresh_database()
    people.execute(f"CREATE TABLE {database}.users (id INT PRIMARY KEY, phone VARCHAR(20))")
    assert masks(people, monkeypatch, entries, other=database) == {}
    # There it has the same name, and can be read.
    there = {"DB_TWO_SOCKET": mysql56.unix_socket, "DB_TWO_USER": mysql56.user}
    run_on(mysql56, mysql56.database, [f"CREATE DATABASE {people.database}"])
    try:
        run_on(mysql56, people.database, ["CREATE TABLE users (id INT PRIMARY KEY, phone VARCHAR(20))"])
        assert masks(people, monkeypatch, entries, **there) == {}
    finally:
        run_on(mysql56, mysql56.database, [f"DROP DATABASE {people.database}"])
    assert masks(people, monkeypatch, entries, DB_ONE_USER="nobody_of_that_name") == {}
