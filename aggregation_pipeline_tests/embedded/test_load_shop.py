"""The sample shop in a server of somebody else: loaded once, and never over tables that were there before."""

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from aggregation_pipeline.embedded import sample_data
from aggregation_pipeline.embedded.load_shop import main

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer

PASSWORD = "of-the-sample-shop"


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop of thirty rows."""
    tables = {
        name: (columns, lambda today, rows=rows: islice(rows(today), 10), 10)
        for name, (columns, rows, _) in sample_data._TABLES.items()
    }
    monkeypatch.setattr(sample_data, "_TABLES", tables)


def load(server: "MySQLServer", database: str, password: Path, user: str = "") -> Result:
    options = ["--host", str(server.host), "--port", str(server.port), "--user", user or server.user]
    return CliRunner().invoke(main, [*options, "--password-file", str(password), "--database", database])


def test_it_is_loaded_once_a_day_and_tables_of_others_stay(few: None, mariadb: "MySQLServer", tmp_path: Path):
    database = mariadb.fresh_database()
    # The account of the tests has no password.
    (tmp_path / "password").touch()
    with mariadb.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE users (theirs INT)")
        refused = load(mariadb, database, tmp_path / "password")
        cursor.execute("DROP TABLE users")
    assert refused.exit_code == 1
    assert f"{database} has tables that the sample shop would replace: users. Name a database" in refused.output
    done = load(mariadb, database, tmp_path / "password")
    assert done.output.splitlines()[-2:] == ["30 of 30 rows", "The sample shop is loaded"]
    again = load(mariadb, database, tmp_path / "password")
    assert (again.exit_code, again.output.splitlines()[-1]) == (0, "The sample shop of today is there already")


def test_what_does_not_work_is_said_without_the_password(mariadb: "MySQLServer", tmp_path: Path):
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    denied = load(mariadb, "test", tmp_path / "password", user="nobody")
    assert denied.exit_code == 1
    assert f"{mariadb.host}:{mariadb.port} does not let nobody load the shop into test (error 1045)" in denied.output
    missing = load(mariadb, "test", tmp_path / "none")
    assert f"{tmp_path / 'none'} cannot be read as a password" in missing.output
    assert PASSWORD not in denied.output + missing.output
