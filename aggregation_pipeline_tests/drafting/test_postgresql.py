"""What is drafted of a database of PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import psycopg2
import pytest
import yaml
from click.testing import CliRunner, Result

from aggregation_pipeline.cli.main import main
from aggregation_pipeline_tests.drafting import shop
from aggregation_pipeline_tests.support.deployment import environment_without_settings, use_environment
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.servers.transaction_pooler import transaction_pooler

Execute = Callable[..., None]
# The entry of the table "Camel Case".
NAMED = "Camel Case"
MEMBERS = (
    "CREATE DOMAIN phone_number AS varchar(20)",
    (
        "CREATE TABLE members (id bigint PRIMARY KEY, f1 phone_number, contact_way text, xm text, sfz char(18),"
        " card numeric(19,0), birthday date, addr text, level smallint, balance numeric(12,2), vip boolean,"
        " photo bytea, phones text[], ip inet, updated_at timestamp)"
    ),
    "COMMENT ON TABLE members IS '会员表'",
    "COMMENT ON COLUMN members.addr IS '收货地址'",
    *(
        f"INSERT INTO members VALUES ({n}, '{phone}', '{shop.CELLS[0]}{n}@example.com', '{shop.CELLS[3]}',"
        f" '11010519491231002X', 6228480402564890018, '1949-12-31', '{shop.CELLS[3]}{n}', {n % 3}, {n}.5,"
        f" {n % 2 == 0}, '\\x00', ARRAY['{phone}'], '10.0.0.{n}', '2026-01-01')"
        for n, phone in enumerate(shop.PHONES)
    ),
)
ORDERS = (
    "CREATE TYPE order_status AS ENUM ('new', 'paid', 'sent')",
    (
        "CREATE TABLE orders (order_id bigint GENERATED ALWAYS AS IDENTITY, order_no text UNIQUE, member_id bigint"
        " REFERENCES members, status order_status, pay_channel text, total_amount numeric(12,2), item_count int,"
        " unit_price numeric(10,2), is_deleted boolean, paid_at timestamptz, created_at timestamptz NOT NULL,"
        " PRIMARY KEY (order_id))"
    ),
    "CREATE INDEX ON orders (created_at)",
    "COMMENT ON TABLE orders IS '订单'",
    "COMMENT ON COLUMN orders.status IS '状态'",
    (
        "INSERT INTO orders (order_no, member_id, status, pay_channel, total_amount, item_count, unit_price,"
        " is_deleted, created_at) SELECT 'no ' || n, n % 7, (ARRAY['new', 'paid', 'sent'])[n % 3 + 1]::order_status,"
        " 'c' || n % 4, n + .25, n % 5, n + .5, false, timestamptz '2026-03-15 10:00+08' + n * interval '1 day'"
        " FROM generate_series(1, 40) AS n"
    ),
)
OTHERS = (
    (
        'CREATE TABLE "Camel Case" ("Id" int PRIMARY KEY, "userName" text, "Created_At" timestamp NOT NULL,'
        ' "select" int, "a""b" int, "金额" numeric)'
    ),
    "CREATE TABLE events (id bigint, day date NOT NULL, clicks int) PARTITION BY RANGE (day)",
    "CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "CREATE INDEX ON events (day)",
    "INSERT INTO events SELECT n, '2026-02-01', n FROM generate_series(1, 100) AS n",
    "CREATE VIEW totals AS SELECT status, sum(total_amount) AS total FROM orders GROUP BY status",
    "CREATE MATERIALIZED VIEW shows AS SELECT * FROM members",
    "CREATE MATERIALIZED VIEW kept AS SELECT status, item_count FROM orders",
    "CREATE TABLE empty_one (id uuid PRIMARY KEY)",
    "CREATE TABLE no_columns ()",
    "CREATE SCHEMA sales",
    "CREATE TABLE sales.orders (id int PRIMARY KEY, phone text)",
    'CREATE TABLE sales."v1.refunds" (id int PRIMARY KEY)',
    "INSERT INTO sales.orders VALUES (1, '13900000000')",
)


@pytest.fixture(scope="module")
def database(source_postgres: PostgresServer) -> str:
    """The name of a shop's database."""
    name = source_postgres.fresh_database().partition("?")[0].rpartition("/")[2]
    folder = str(source_postgres.server.socket_folder)
    with (
        closing(psycopg2.connect(host=folder, user="postgres", dbname=name)) as connection,
        connection,
        connection.cursor() as cursor,
    ):
        for statement in (*MEMBERS, *ORDERS, *OTHERS):
            cursor.execute(statement)
    return name


@pytest.fixture
def settings(source_postgres: PostgresServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_environment(monkeypatch, environment_without_settings())
    monkeypatch.setenv("DB_KIND", "postgresql")
    monkeypatch.setenv("DB_SOCKET", str(source_postgres.server.socket_folder))
    monkeypatch.setenv("DB_USER", "postgres")
    monkeypatch.setenv("DB_NAME", database)
    # `plan` needs its name, and does not go there.
    monkeypatch.setenv("DAGSTER_PG_URL", "postgresql+psycopg2://nobody@127.0.0.1:1/dagster")
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def execute(source_postgres: PostgresServer, database: str) -> Iterator[Execute]:
    with closing(
        psycopg2.connect(host=str(source_postgres.server.socket_folder), user="postgres", dbname=database)
    ) as client:
        client.autocommit = True

        def run(*statements: str) -> None:
            with client.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

        yield run


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def call_in(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.chdir(folder)
    return call(*arguments)


def test_a_shop_becomes_entries_that_hide_what_is_personal_and_pass_plan(settings: Path):
    result = call("init", "--yes")
    assert result.exit_code == 0, result.output
    text, variables = ((settings / name).read_text(encoding="utf-8") for name in ("aggregation.yaml", ".env"))
    assert shop.leaks(text, variables, result.output) == []
    assert "DB_KIND=postgresql" in variables
    entries = yaml.safe_load(text)["tables"]
    assert set(entries) == {
        "members",
        "orders",
        "events",
        "kept",
        "empty_one",
        NAMED,
        "sales.orders",
        "sales.v1.refunds",
    }
    assert entries["orders"] == {
        "description": "订单",
        "partition": {"column": "created_at", "every": "day", "start": date(2026, 3, 1)},
        "group_by": ["status", "pay_channel"],
        "aggregations": [
            {"function": "COUNT", "alias": "row_count"},
            {"function": "COUNT DISTINCT", "field": "member_id", "alias": "distinct_member_id"},
            {"function": "SUM", "field": "total_amount", "alias": "sum_total_amount"},
            {"function": "SUM", "field": "item_count", "alias": "sum_item_count"},
            {"function": "AVG", "field": "unit_price", "alias": "avg_unit_price"},
        ],
        "select_fields": [
            *("order_id", "order_no", "member_id", "status", "pay_channel", "total_amount", "item_count", "unit_price"),
            *("is_deleted", "paid_at", "created_at"),
        ],
    }
    assert entries["members"]["mask"] == {
        **dict.fromkeys(("f1", "contact_way", "xm", "sfz", "card", "addr", "phones", "ip"), "partial"),
        "birthday": "drop",
    }
    assert "photo" not in entries["members"]["select_fields"]
    assert "addr  # 收货地址" in text
    # A partitioned table is one table; what inherits from it is none.
    assert entries["events"]["partition"]["start"] == date(2026, 2, 1)
    assert entries["kept"]["order"] == "none"
    # It shows columns that the entry of its table masks.
    assert "shows is left out: mask: a view, or a table that holds others, leads to public.members" in result.stderr
    assert "# [init] cannot be read: shows" in text
    assert entries[NAMED]["group_by"] == [{"expr": 'DATE("Created_At")', "alias": "day"}]
    assert entries["sales.orders"]["table"] == "sales.orders"
    assert entries["sales.orders"]["mask"] == {"phone": "partial"}
    assert entries["sales.v1.refunds"]["table"] == "sales.`v1.refunds`"
    assert "# [init] views: totals" in text
    assert "no_columns is left out" in result.stderr
    # What is missing is Dagster, not a table.
    planned = call("plan").output
    assert [line for line in planned.splitlines() if line.endswith(("  ready", "  refused"))] == [
        f"{name}  ready" for name in entries
    ]
    assert "one snapshot for all datasets, heap, server PostgreSQL" in planned


def test_tables_that_differ_in_case_only_have_entries_of_their_own(settings: Path, execute: Execute):
    execute('CREATE TABLE "Cases" (id int PRIMARY KEY)', 'CREATE TABLE "CASES" (id int PRIMARY KEY)')
    execute("CREATE TABLE cases (id int PRIMARY KEY)")
    try:
        assert call("init", "--yes", "--tables", "Cases,CASES").exit_code == 0
        result = call("init", "--yes", "--tables", "cases")
        planned = call("plan").output
    finally:
        execute('DROP TABLE "Cases", "CASES", cases')
    assert result.exit_code == 0, result.output
    entries = yaml.safe_load((settings / "aggregation.yaml").read_text(encoding="utf-8"))["tables"]
    assert {entry.get("table", name).strip("`") for name, entry in entries.items()} == {"Cases", "CASES", "cases"}
    assert len({name.casefold() for name in entries}) == 3
    assert [line for line in planned.splitlines() if line.endswith("  ready")] == [f"{name}  ready" for name in entries]


def test_what_a_person_changed_stays_and_a_new_table_comes_to_it(settings: Path, execute: Execute):
    config = settings / "aggregation.yaml"
    assert call("init", "--yes", "--tables", "members,sales.orders").exit_code == 0
    changed = config.read_text(encoding="utf-8").replace("group_by: [level, vip]", "group_by: [vip]")
    config.write_text(changed, encoding="utf-8")
    assert call("init", "--yes").exit_code == 0
    assert config.read_text(encoding="utf-8") == changed
    execute("CREATE TABLE newer (id int PRIMARY KEY, phone text)")
    try:
        result = call("init", "--yes")
    finally:
        execute("DROP TABLE newer")
    assert result.exit_code == 0, result.output
    after = config.read_text(encoding="utf-8")
    assert "any more" not in result.output
    lines = iter(after.splitlines())
    assert all(any(line == found for found in lines) for line in changed.splitlines())
    assert set(yaml.safe_load(after)["tables"]) == {"members", "sales.orders", "newer"}
    assert yaml.safe_load(after)["tables"]["newer"]["mask"] == {"phone": "partial"}


@pytest.mark.slow
def test_an_account_sees_what_it_may_read_and_a_url_names_the_kind(
    settings: Path, source_postgres: PostgresServer, database: str, execute: Execute, monkeypatch: pytest.MonkeyPatch
):
    role = f"drafter_{database}"
    execute(f"CREATE ROLE {role} LOGIN", f"GRANT SELECT ON orders TO {role}")
    execute(f"GRANT SELECT (id, xm) ON members TO {role}")
    for name in ("DB_KIND", "DB_SOCKET", "DB_USER", "DB_NAME"):
        monkeypatch.delenv(name)
    with transaction_pooler(source_postgres.server.socket_folder / ".s.PGSQL.5432") as port:
        address = f"postgresql://{role}@127.0.0.1:{port}/{database}"
        result = call("init", "--yes", "--url", address, "--output", "out")
        planned = call_in(settings / "out", monkeypatch, "plan")
    execute(f"DROP OWNED BY {role}", f"DROP ROLE {role}")
    assert result.exit_code == 0, result.output
    entries = yaml.safe_load((settings / "out" / "aggregation.yaml").read_text(encoding="utf-8"))["tables"]
    assert set(entries) == {"orders", "members"}
    assert entries["members"]["select_fields"] == ["id", "xm"]
    assert entries["members"]["mask"] == {"xm": "partial"}
    assert ("members  ready" in planned.output, "orders  ready" in planned.output) == (True, True)
