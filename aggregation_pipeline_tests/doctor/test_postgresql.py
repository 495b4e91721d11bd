"""What the doctor says of a source that is PostgreSQL: of accounts, tables, and the way to it."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace

import psycopg2
import pytest

from aggregation_pipeline.config.sql.in_use import using
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.findings import Finding
from aggregation_pipeline.source.kind import OtherSource, kind_of
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline_tests.support.reading import SALT, ZONE
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.servers.transaction_pooler import transaction_pooler

WINDOW = {"column": "created_at", "every": "day", "start": "2026-01-01"}
TABLES = (
    "CREATE TABLE users (id int PRIMARY KEY, name text)",
    "CREATE TABLE orders (id int PRIMARY KEY, created_at timestamptz)",
    "CREATE TABLE indexed (id int PRIMARY KEY, created_at timestamptz)",
    "CREATE INDEX ON indexed (created_at)",
    'CREATE TABLE "By Block" (created_at timestamptz)',
    'CREATE INDEX ON "By Block" USING brin (created_at)',
    "CREATE TABLE part_only (created_at timestamptz)",
    "CREATE INDEX ON part_only (created_at) WHERE created_at > '2026-01-01'",
    "CREATE VIEW seen AS SELECT * FROM orders",
    "CREATE TABLE closed (id int)",
    "CREATE TABLE half (id int, secret text)",
    "CREATE TABLE rows_hidden (id int)",
    "ALTER TABLE rows_hidden ENABLE ROW LEVEL SECURITY",
    "CREATE SCHEMA shut",
    "CREATE TABLE shut.away (id int)",
)
NAMES = ("users", "closed", "half", "rows_hidden", "gone")
WITH_WINDOWS = {
    **{name: name for name in ("orders", "indexed", "part_only", "seen")},
    "users_by_day": "users",
    "by_block": "By Block",
}


@pytest.fixture(scope="module")
def shop(source_postgres: PostgresServer) -> Iterator[SourceOptions]:
    """A database, and an account that may do no more than read some of it."""
    name = source_postgres.fresh_database().partition("?")[0].rpartition("/")[2]
    role = f"reader_{name}"
    folder = source_postgres.server.socket_folder
    with closing(psycopg2.connect(host=str(folder), user="postgres", dbname=name)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in (
                *TABLES,
                f"CREATE ROLE {role} LOGIN",
                f'GRANT SELECT ON users, orders, indexed, part_only, seen, rows_hidden, "By Block" TO {role}',
                f"GRANT SELECT (id) ON half TO {role}",
                f"GRANT SELECT ON shut.away TO {role}",
            ):
                cursor.execute(statement)
            yield SourceOptions(database=name, user=role, socket=folder, port=5432, mask_salt=SALT, kind="postgresql")
            cursor.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def entry(**keys: object) -> TableEntry:
    with using(POSTGRESQL):
        return TableEntry.model_validate({"source_kind": "postgresql", **keys})


def found(options: SourceOptions, *entries: TableEntry, others: Sequence[OtherSource] = ()) -> dict[str, Finding]:
    findings = list(kind_of(options).examine(options, ZONE, entries, others))
    assert len({finding.name for finding in findings}) == len(findings)
    return {finding.name: finding for finding in findings}


def test_an_account_that_reads_and_its_tables(shop: SourceOptions):
    entries = [entry(name=name) for name in NAMES]
    entries += [entry(name=name, table=table, partition=WINDOW) for name, table in WITH_WINDOWS.items()]
    lines = found(shop, *entries, entry(name="away", table="shut.away"))
    assert lines["reach"].text.startswith(f"{shop.where} answers: PostgreSQL ")
    for name in ("session", "snapshot", "grants", "time zone", "TLS", "replica", "pooler"):
        assert lines[name].status == "ok", lines[name]
    assert lines["grants"].text == "the account can read, and no more"
    assert "repeatable read" in lines["snapshot"].text.casefold()
    assert {name[7:]: line.status for name, line in lines.items() if name.startswith("tables.")} == {
        **dict.fromkeys(("users", "indexed", "by_block", "seen"), "ok"),
        **dict.fromkeys(("half", "rows_hidden", "orders", "part_only"), "warning"),
        **dict.fromkeys(("closed", "gone", "users_by_day", "away"), "failure"),
    }
    assert lines["tables.orders"].remedy == 'CREATE INDEX ON "orders" ("created_at")'
    assert lines["tables.indexed"].text == "indexed can be read, and an index begins with created_at"
    assert lines["tables.closed"].remedy == 'GRANT SELECT ON "public"."closed" TO the account'
    assert lines["tables.away"].remedy == 'GRANT USAGE ON SCHEMA "shut" TO the account'
    assert "may not read secret of half" in lines["tables.half"].text
    assert "row level security" in lines["tables.rows_hidden"].text
    assert "BYPASSRLS" in lines["tables.rows_hidden"].remedy
    assert "has no column created_at" in lines["tables.users_by_day"].text


def test_two_sources_of_one_database_are_told_where_the_one_shows_what_the_other_masks(shop: SourceOptions):
    masked = entry(name="people", table="public.orders", select_fields=["*"], mask={"created_at": "hash"}).all_masked
    # Another spelling of the same place, and another account.
    assert shop.socket is not None
    there = replace(shop, name="crm", user="postgres", socket=shop.socket / ".s.PGSQL.5432")
    entries = [
        entry(name="plain", table="orders", select_fields=["*"]),
        entry(name="behind", table="seen", select_fields=["id"]),
        entry(name="away", table="shut.away", select_fields=["*"]),
        entry(name="harmless", table="orders", select_fields=["id"]),
        entry(name="hidden", table="orders", select_fields=["*"], mask={"created_at": "drop"}),
    ]
    told = found(shop, *entries, others=[OtherSource("the source crm", there, masked)])["masks"]
    assert told.status == "warning"
    assert "the source crm, at " in told.text
    assert told.text.endswith(
        "is the same server, and plain reads public.orders, of which the entry people masks created_at; behind reads"
        " public.orders, of which the entry people masks created_at"
    )
    others = [
        OtherSource("another database", replace(there, database="postgres"), masked),
        OtherSource("one that is away", replace(there, socket=None, host="127.0.0.1", port=1), masked),
        OtherSource("one without masks", there, {}),
    ]
    assert "masks" not in found(shop, *entries, others=others)


def test_an_account_that_writes_is_told(shop: SourceOptions):
    lines = found(replace(shop, user="postgres"))
    assert lines["grants"].status == "warning"
    assert "SUPERUSER" in lines["grants"].text
    assert "GRANT SELECT ON ALL TABLES" in lines["grants"].remedy


def test_no_way_to_it_is_one_line(shop: SourceOptions):
    lines = found(replace(shop, socket=None, host="127.0.0.1", port=1, connect_timeout=2))
    assert [(line.name, line.status) for line in lines.values()] == [("connection", "failure")]
    assert "DB_HOST" in lines["connection"].remedy
    lines = found(replace(shop, user="nobody_there"))
    assert [(line.name, line.status) for line in lines.values()] == [("connection", "failure")]
    assert "DB_USER" in lines["connection"].text


def test_a_pooler_by_transactions_is_seen_and_does_no_harm(shop: SourceOptions, source_postgres: PostgresServer):
    with transaction_pooler(source_postgres.server.socket_folder / ".s.PGSQL.5432") as port:
        lines = found(replace(shop, socket=None, host="127.0.0.1", port=port), entry(name="users"))
    assert {line.status for line in lines.values()} == {"ok"}
    assert "pooler by transactions" in lines["pooler"].text
