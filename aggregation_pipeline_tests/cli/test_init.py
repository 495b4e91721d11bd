"""`init` as people call it: what it asks, writes, shows and refuses; and the result passes `plan`."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline_tests.drafting import shop
from aggregation_pipeline_tests.support.deployment import Deployment, environment_without_settings, use_environment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.reading import run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer


@pytest.fixture
def database(mariadb: MySQLServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A shop, and this process in an empty folder with the settings of nothing but its database."""
    name = mariadb.fresh_database()
    run_on(mariadb, name, [shop.MEMBERS, shop.ORDERS, *shop.ROWS, "CREATE TABLE sys_log (id INT PRIMARY KEY)"])
    use_environment(monkeypatch, environment_without_settings() | {"DB_SOCKET": mariadb.unix_socket, "DB_NAME": name})
    monkeypatch.setenv("DB_USER", mariadb.user)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.chdir(tmp_path)
    return name


def call(*arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(main, ["init", *arguments], **options)


def test_both_files_are_written_once_and_hold_no_cell(mariadb: MySQLServer, database: str, tmp_path: Path):
    result = call("--formats", "csv", "--schedule", "0 0 3 * * *")
    assert result.exit_code == 0, result.output
    config, env = tmp_path / "aggregation.yaml", tmp_path / ".env"
    text, variables = config.read_text(encoding="utf-8"), env.read_text(encoding="utf-8")
    assert shop.leaks(text, variables, result.output) == []
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert [line for line in variables.splitlines() if "SALT" not in line and not line.startswith("#")] == [
        f"DB_SOCKET={mariadb.unix_socket}",
        f"DB_USER={mariadb.user}",
        f"DB_NAME={database}",
        "AGGREGATION_CONFIG=aggregation.yaml",
        "OUTPUT_FORMAT=csv",
        'CRON_SCHEDULE="0 0 3 * * *"',
        "TIMEZONE=Asia/Shanghai",
        "",
    ]
    assert "MASK_SALT=" in variables
    assert "# [init] logs: sys_log" in text
    assert {entry.name for entry in load_config(config).tables} == {"members", "orders"}
    again = call("--yes")
    assert again.exit_code == 0
    assert "nothing was written" in again.stderr
    assert (config.read_text(encoding="utf-8"), env.read_text(encoding="utf-8")) == (text, variables)


def test_what_a_person_changed_stays_and_new_tables_come_to_it(mariadb: MySQLServer, database: str, tmp_path: Path):
    config, env = tmp_path / "aggregation.yaml", tmp_path / ".env"
    assert call().exit_code == 0
    # One entry is taken out, one is changed, and a comment is written.
    text = config.read_text(encoding="utf-8")
    start, end = text.index("  # Drafted"), text.index("\n  # Drafted", text.index("  # Drafted") + 1) + 1
    changed = text[:start] + text[end:].replace("One set of files", "My words:") + "# the end"
    config.write_text(changed, encoding="utf-8")
    config.chmod(0o640)
    env.write_text(env.read_text(encoding="utf-8").replace("OUTPUT_FORMAT=json", "OUTPUT_FORMAT=excel"), "utf-8")
    before = env.read_bytes()
    run_on(mariadb, database, ["CREATE TABLE newer (id INT PRIMARY KEY, phone VARCHAR(20))", "DROP TABLE orders"])
    result = call()
    assert result.exit_code == 0, result.output
    after = config.read_text(encoding="utf-8")
    lines = iter(after.splitlines())
    assert all(any(line == found for found in lines) for line in changed.splitlines())
    assert after.count("Drafted on") == 2
    assert "  newer:" in after
    assert env.read_bytes() == before
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    assert result.stdout.startswith("newer: ")
    assert ("there is no table orders any more" in result.stderr) == ("  orders:" in changed)


def test_named_tables_are_taken_whatever_they_are(database: str, tmp_path: Path):
    result = call("--tables", "SYS_LOG", "--lang", "zh", "--summary-only")
    assert result.exit_code == 0, result.output
    text = (tmp_path / "aggregation.yaml").read_text(encoding="utf-8")
    assert [entry.name for entry in load_config(tmp_path / "aggregation.yaml").tables] == ["sys_log"]
    assert "# [init] 未选择: members, orders" in text or "# [init] 未选择: orders, members" in text
    assert call("--yes").exit_code == 0
    assert (tmp_path / "aggregation.yaml").read_text(encoding="utf-8") == text
    result = call("--tables", "order,members")
    assert result.exit_code == 1
    assert "order: the database has no such table" in result.stderr
    assert "Was orders meant?" in result.stderr


def test_a_password_comes_from_no_command_line(
    mariadb: MySQLServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run_on(mariadb, database, [f"CREATE USER {database}_u@'127.0.0.1' IDENTIFIED BY 'p@ss #1'"])
    run_on(mariadb, database, [f"GRANT SELECT ON {database}.* TO {database}_u@'127.0.0.1'"])
    address = f"mysql://{database}_u@127.0.0.1:{mariadb.port}/{database}"
    result = call("--url", address, "--password-stdin", "--output", "out", input="p@ss #1\n")
    assert result.exit_code == 0, result.output
    assert "DB_PASSWORD=" in (tmp_path / "out" / ".env").read_text(encoding="utf-8")
    # Now the file has it, if the environment does not say otherwise.
    for name in ("DB_SOCKET", "DB_USER", "DB_NAME"):
        monkeypatch.delenv(name)
    again = call("--output", "out", "--yes")
    assert again.exit_code == 0, again.output
    refused = call("--url", address.replace("@", ":p%40ss@", 1))
    assert refused.exit_code == 2
    assert "leave the password out" in refused.stderr
    assert "p%40ss" not in refused.output
    wrong = call("--url", address, "--password-stdin", "--output", "other", input="nope\n")
    assert wrong.exit_code == 1
    assert "DB_PASSWORD" in wrong.stderr
    assert not (tmp_path / "other").exists()
    run_on(mariadb, database, [f"DROP USER {database}_u@'127.0.0.1'"])


def test_without_a_database_it_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    use_environment(monkeypatch, environment_without_settings())
    monkeypatch.chdir(tmp_path)
    result = call()
    assert (result.exit_code, list(tmp_path.iterdir())) == (1, [])
    assert "DB_HOST, DB_USER, DB_NAME: not set" in result.stderr


def test_a_broken_file_is_left_as_it_is(database: str, tmp_path: Path):
    config = tmp_path / "aggregation.yaml"
    config.write_text("tables:\n  a: {\n", encoding="utf-8")
    result = call()
    assert result.exit_code == 1
    assert "this is not YAML" in result.stderr
    assert list(tmp_path.iterdir()) == [config]


@pytest.mark.slow
def test_the_result_passes_plan_and_a_run_shows_nothing_personal(
    deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    deployment.execute(shop.MEMBERS, shop.ORDERS, *shop.ROWS)
    deployment.enter(monkeypatch, AGGREGATION_ENV_FILE=str(tmp_path / ".env"))
    (tmp_path / ".env").touch()
    monkeypatch.chdir(REPOSITORY)
    result = call("--yes")
    assert result.exit_code == 0, result.output
    for command in ("plan", "run"):
        outcome = CliRunner().invoke(main, [command])
        assert outcome.exit_code == 0, outcome.output
    files = [path for path in (tmp_path / "exports").rglob("members*.csv") if path.is_file()]
    assert files
    personal = [*shop.PHONES, shop.CELLS[0], "11010519491231002X", "6228480402564890018", "oGZUI0"]
    for path in files:
        assert [cell for cell in personal if cell in path.read_text(encoding="utf-8-sig")] == []


@pytest.mark.slow
def test_killed_in_the_middle_it_leaves_whole_files_or_none(database: str, tmp_path: Path):
    """Kills at moments spread over its whole time: what is there is what the last whole call wrote."""
    import subprocess
    import sys
    import time

    program = [sys.executable, "-c", "from aggregation_pipeline.cli.main import main; main()", "init", "--yes"]
    started = time.monotonic()
    subprocess.run([*program, "--output", "whole"], check=True, capture_output=True, env=dict(os.environ))
    takes = time.monotonic() - started
    expected = (tmp_path / "whole" / "aggregation.yaml").read_text(encoding="utf-8")
    for part in range(1, 7):
        folder = tmp_path / f"killed_{part}"
        process = subprocess.Popen(
            [*program, "--output", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            process.wait(takes * part / 6)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for path in folder.glob("aggregation.yaml"):
            assert path.read_text(encoding="utf-8") == expected
        assert call("--output", str(folder), "--yes").exit_code == 0
        assert (folder / "aggregation.yaml").read_text(encoding="utf-8") == expected


def test_a_source_by_name_gets_entries_and_variables_of_its_own(
    mariadb: MySQLServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    assert call("--tables", "members").exit_code == 0
    monkeypatch.delenv("DB_SOCKET")
    monkeypatch.delenv("DB_NAME")
    monkeypatch.setenv("DB_CRM_EU_SOCKET", mariadb.unix_socket)
    result = call("--source", "crm-eu", "--lang", "en")
    assert result.exit_code == 1
    assert "DB_CRM_EU_USER, DB_CRM_EU_NAME: not set" in result.stderr
    monkeypatch.setenv("DB_CRM_EU_USER", mariadb.user)
    monkeypatch.setenv("DB_CRM_EU_NAME", database)
    assert call("--source", "crm-eu").exit_code == 0
    config = load_config(tmp_path / "aggregation.yaml", ["crm_eu"])
    # The orders were free; the members have an entry, of another source.
    found = {entry.name: (entry.source, entry.table) for entry in config.tables}
    assert found == {
        "members": (None, "members"),
        "crm_eu_members": ("crm_eu", "`members`"),
        "orders": ("crm_eu", "orders"),
    }
    text, variables = ((tmp_path / name).read_text(encoding="utf-8") for name in ("aggregation.yaml", ".env"))
    assert "# [init crm_eu] logs: sys_log" in text
    assert f"DB_CRM_EU_NAME={database}\n" in variables
    again = call("--source", "CRM_EU")
    assert "nothing was written" in again.stderr


def test_what_the_file_says_of_a_source_is_used_and_not_repeated(
    mariadb: MySQLServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("DB_SOCKET", "DB_NAME", "DB_USER"):
        monkeypatch.delenv(name)
    written = f"sources:\n  crm: {{socket: {mariadb.unix_socket}, user: {mariadb.user}, database: {database}}}\n"
    (tmp_path / "aggregation.yaml").write_text(f"{written}tables:\n", encoding="utf-8")
    result = call("--source", "crm", "--tables", "orders", "--yes")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "aggregation.yaml").read_text(encoding="utf-8").startswith(written)
    assert "DB_CRM_" not in (tmp_path / ".env").read_text(encoding="utf-8")
    assert load_config(tmp_path / "aggregation.yaml").tables[0].source == "crm"


def test_a_name_that_no_source_can_have_is_refused(database: str):
    result = call("--source", "ssl")
    assert result.exit_code == 2
    assert "a source cannot be called ssl" in result.stderr
