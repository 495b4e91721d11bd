"""`import-node` writes what `plan` accepts, lists what became of what, and shows no secret."""

import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from aggregation_pipeline.cli.main import main
from aggregation_pipeline.config.loading import load_config
from aggregation_pipeline.embedded import sample_data
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline_tests.node_import.projects import OLD_SERVICE, RULES_OF_USERS, written
from aggregation_pipeline_tests.support.deployment import environment_without_settings, use_environment
from aggregation_pipeline_tests.support.npm_packages import node_path
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

ENV = """# 数据库
DB_HOST=127.0.0.1
DB_USER=root
DB_PASSWORD=canary-of-database#1
DB_NAME=shop
CRON_SCHEDULE=0 0 2 1-7 * 1
OUTPUT_FORMAT=csv
WEBHOOK_TOKEN=canary-of-webhook
"""


@pytest.fixture
def service(tmp_path: Path) -> Path:
    node_path()
    return written(tmp_path / "service", {**OLD_SERVICE, ".env": ENV})


def run(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["import-node", *map(str, arguments)], input=stdin)


def test_the_old_service_is_carried_over_and_listed(service: Path, tmp_path: Path):
    before = {path: path.read_bytes() for path in service.rglob("*") if path.is_file()}
    result = run(service, "--output", tmp_path / "new")
    assert result.exit_code == 3, result.output
    assert "Its rules are those in services/SchedulerService.js." in result.stdout
    assert "config/aggregation.js has rules too, which nothing loads: they are not in force." in result.stdout
    for words in (
        "Carried over:\n  users: 2 group keys, 2 aggregations, 4 fields, where, limit  (services/Sch",
        "(services/SchedulerService.js:24)",
        "products: it has no rules: SELECT * ... ORDER BY id LIMIT 1000, as before",
        "Changed, and why:\n  users: fields in groups were one query",
        "orders: limit: 1000 is written out",
        "OUTPUT_FORMAT: csv alone uploaded nothing there",
        "DB_PASSWORD: Node's dotenv and python-dotenv",
        "files: here they have other names and another shape: docs/files.md. Where others read those of the old",
        "Not carried over, and what to do:\n  WEBHOOK_TOKEN: nothing here reads it",
    ):
        assert words in result.stdout
    assert "canary" not in result.output
    assert before == {path: path.read_bytes() for path in service.rglob("*") if path.is_file()}
    config = load_config(tmp_path / "new" / "aggregation.yaml")
    assert [entry.name for entry in config.tables] == ["users", "orders", "products"]
    assert [entry.limit for entry in config.tables] == [1000, 1000, 1000]
    assert config.tables[1].having == "SUM(price * quantity) > 0"
    assert "DB_PASSWORD=canary-of-database\n" in (tmp_path / "new" / ".env").read_text("utf-8")


def test_the_new_variables_are_accepted(service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run(service, "--output", tmp_path / "new")
    use_environment(monkeypatch, environment_without_settings())
    monkeypatch.chdir(tmp_path / "new")
    settings = load_settings()
    assert settings.db_password.get_secret_value() == "canary-of-database"
    assert settings.aggregation_tables == ("users", "orders", "products")
    assert settings.aggregation_config == Path("aggregation.yaml")
    assert (settings.output_format, settings.cron_schedule) == (("csv",), "0 0 2 1-7 * 1")


def test_a_second_run_overwrites_nothing(service: Path, tmp_path: Path):
    run(service, "--output", tmp_path / "new")
    (tmp_path / "new" / "aggregation.yaml").write_text("# mine\n", "utf-8")
    again = run(service, "--output", tmp_path / "new")
    assert again.exit_code == 1
    assert "are there already. Name another folder with --output, or add --force" in again.stderr
    assert (tmp_path / "new" / "aggregation.yaml").read_text("utf-8") == "# mine\n"


def test_json_is_for_programs(service: Path, tmp_path: Path):
    result = run(service, "--output", tmp_path / "new", "--json")
    answer = json.loads(result.stdout)
    assert (answer["ok"], answer["tables"]) == (False, ["users", "orders", "products"])
    assert (answer["start"], answer["rules_from"]) == ("server.js", ["services/SchedulerService.js"])
    assert answer["not_in_force"] == ["config/aggregation.js"]
    assert {item["kind"] for item in answer["items"]} == {"carried", "changed", "not carried"}
    assert "canary" not in result.output


@pytest.mark.parametrize("shape", ["bare", "tableConfigs", "list", "bom", "utf-16"])
def test_rules_as_json_on_stdin_need_no_node(shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    value: object = {"users": RULES_OF_USERS}
    if shape == "tableConfigs":
        value = {"tables": ["users", "orders"], "tableConfigs": value}
    elif shape == "list":
        value = [{"table": "users", **RULES_OF_USERS}]
    text = json.dumps(value)
    stdin = f"\ufeff{text}".encode() if shape == "bom" else text.encode("utf-16" if shape == "utf-16" else "utf-8")
    result = run("-", "--output", tmp_path / "new", stdin=stdin)
    assert result.exit_code == 0, result.output
    names = [entry.name for entry in load_config(tmp_path / "new" / "aggregation.yaml").tables]
    assert names == (["users", "orders"] if shape == "tableConfigs" else ["users"])


@pytest.mark.parametrize("stdin", ["", "{", "[]", "5", '{"users": 5}', "[" * 100_000, b"\xff\xff", "{}"])
def test_what_is_no_set_of_rules_is_refused_in_words(stdin: str | bytes, tmp_path: Path):
    result = run("-", "--output", tmp_path / "new", stdin=stdin)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: stdin")
    assert not (tmp_path / "new").exists()


def test_rules_can_be_taken_from_a_file(service: Path, tmp_path: Path):
    (tmp_path / "rules.json").write_text(json.dumps({"users": {"groupBy": ["a"]}}), "utf-8")
    for rules, expected in ((tmp_path / "rules.json", ["users"]), ("config/aggregation.js", ["users", "ghosts"])):
        result = run(service, "--rules", rules, "--output", tmp_path / str(len(expected)), "--json")
        assert [name for name in json.loads(result.stdout)["tables"] if name in ("users", "ghosts")] == expected
    for rules, words in (
        ("../outside.js", "outside"),
        ("nothing.json", "cannot be read"),
        ("nothing.js", "nothing.js"),
    ):
        refused = run(service, "--rules", rules, "--output", tmp_path / "none")
        assert refused.exit_code == 1
        assert words in refused.stderr


def test_an_error_of_the_old_code_shows_no_secret(tmp_path: Path):
    node_path()
    code = "module.exports = { groupBy: (() => { throw new Error(process.env.API_KEY); })() };"
    service = written(tmp_path / "service", {"server.js": code, ".env": "API_KEY=canary-of-key\n"})
    result = run(service, "--output", tmp_path / "new")
    assert result.exit_code == 1
    assert "canary" not in result.output
    assert "Error: ***" in result.stderr


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"server.js": "require('./a')", "a.js": "", "b.js": "exports.users = { groupBy: ['a'] };"},
            "No rules are in force in the project; b.js has some, which nothing loads. And AGGREGATION_TABLES names no",
        ),
        (
            {"server.js": "module.exports = { 表: { groupBy: ['列'] } };".encode("gbk")},
            "The file is not UTF-8, as Node",
        ),
        ({"server.js": "", ".env": "# 数据库".encode("gbk")}, "line 1: the file is not UTF-8"),
    ],
)
def test_what_gives_no_table_is_refused_in_words(files: dict[str, str | bytes], words: str, tmp_path: Path):
    node_path()
    result = run(written(tmp_path / "service", files), "--output", tmp_path / "new")
    assert result.exit_code == 1
    assert words in result.stderr
    assert not (tmp_path / "new").exists()


def test_names_that_differ_in_case_only_are_said(tmp_path: Path):
    rules = {"users": {"groupBy": ["a"]}, "Users": {"groupBy": ["b"]}}
    result = run("-", "--output", tmp_path / "new", stdin=json.dumps(rules))
    assert result.exit_code == 3
    assert "Users: it differs from users in case only" in result.stdout


def test_a_table_that_could_not_be_read_gets_no_entry(tmp_path: Path):
    node_path()
    code = (
        "const TABLES = ['users', 'orders', 'logs'];\nfunction rules(day) { return {\n"
        "users: { groupBy: ['a'], where: day },\norders: { groupBy: ['b'] } }; }"
    )
    result = run(written(tmp_path / "service", {"server.js": code}), "--output", tmp_path / "new")
    assert result.exit_code == 3, result.output
    assert [entry.name for entry in load_config(tmp_path / "new" / "aggregation.yaml").tables] == ["orders"]
    _, left = result.stdout.split("Not carried over, and what to do:")
    assert "users: ReferenceError: day is not defined. It gets no entry" in left
    assert "logs: no rules of it were found, and they may be what was not read: server.js:3" in left


SHOP = (
    """CREATE TABLE users (id INT PRIMARY KEY, username VARCHAR(50), email VARCHAR(100), status VARCHAR(9), age INT,
    created_at DATETIME, KEY (created_at))""",
    "CREATE TABLE orders (id INT PRIMARY KEY, user_id INT, status VARCHAR(9), price DECIMAL(10, 2), quantity INT)",
    "CREATE TABLE products (id INT PRIMARY KEY, name VARCHAR(50))",
)


def passes_plan(
    service: Path, folder: Path, variables: dict[str, str], postgres: str, patch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"{name}={value}\n" for name, value in variables.items())
    (service / ".env").write_text(text, "utf-8")
    assert run(service, "--output", folder).exit_code == 0
    use_environment(patch, {**environment_without_settings(), "DAGSTER_PG_URL": postgres})
    shutil.copy(REPOSITORY / "dagster.yaml", folder)
    patch.chdir(folder)
    plan = CliRunner().invoke(main, ["plan", "--json"])
    answer = json.loads(plan.stdout)
    assert {table["table"]: table["problems"] for table in answer["tables"]} == {
        "users": [],
        "orders": [],
        "products": [],
    }
    assert [need for need in answer["needs"] if need["problem"]] == []
    assert plan.exit_code == 0


@pytest.mark.slow
def test_the_result_passes_plan(
    mysql: MySQLServer, dagster_database: str, service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    database = mysql.fresh_database()
    with mysql.connect(database=database) as connection, connection.cursor() as cursor:
        for statement in SHOP:
            cursor.execute(statement)
    variables = {"DB_USER": mysql.user, "DB_NAME": database, "DB_SOCKET": mysql.unix_socket}
    passes_plan(service, tmp_path / "new", variables, dagster_database, monkeypatch)


@pytest.mark.slow
def test_the_result_passes_plan_on_the_sample_shop(
    mariadb: MySQLServer, dagster_database: str, service: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    database = mariadb.fresh_database()
    connect = {"unix_socket": mariadb.unix_socket, "user": mariadb.user, "database": database}
    sample_data.load_sample_data(connect, today=date(2026, 11, 20), progress=lambda *_: None)
    variables = {"DB_USER": mariadb.user, "DB_NAME": database, "DB_SOCKET": mariadb.unix_socket}
    passes_plan(service, tmp_path / "new", variables, dagster_database, monkeypatch)
