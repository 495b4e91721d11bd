"""The docs' examples are true: each YAML block loads, and those on the sample shop run on it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from aggregation_pipeline.assets.partitions import newest_complete, partitions_of, time_range_of
from aggregation_pipeline.config.loading import DEFAULT_CONFIG, load_config
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.embedded import postgres_data, sample_data
from aggregation_pipeline.export.checks.evaluate import evaluate_checks
from aggregation_pipeline.source.kind import kind_of
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.reading import ZONE, ignore_progress, options_for
from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer

BLOCK = re.compile(r"^```ya?ml\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOP = ("users", "products", "orders")
ROWS = 300
NOW = datetime(2026, 11, 20, 2, tzinfo=ZONE)


def examples() -> Iterator[Any]:
    for path in sorted([*REPOSITORY.glob("README*.md"), *REPOSITORY.glob("docs/*.md")]):
        for block in BLOCK.finditer(path.read_text(encoding="utf-8")):
            line = path.read_text(encoding="utf-8")[: block.start()].count("\n") + 1
            yield pytest.param(block[1], "mysql", id=f"{path.name}:{line}")
    for kind, name in (("mysql", "aggregation.yaml"), ("postgresql", "aggregation.postgresql.yaml")):
        yield pytest.param(DEFAULT_CONFIG.with_name(name).read_text(encoding="utf-8"), kind, id=name)


def completed(text: str) -> str:
    """A block as a whole file: one of entries stands under tables, one of an entry's keys under an entry, one of
    options beside tables.
    """
    keys = yaml.safe_load(text).keys()
    if "type" in keys:  # a component, with its tables inline
        return yaml.safe_dump({"tables": yaml.safe_load(text)["attributes"]["tables"]})
    if keys & {"tables", "tableConfigs"}:
        return text
    if keys <= PipelineConfig.model_fields.keys():
        return f"tables: {{orders: {{}}}}\n{text}"
    camel = {field.alias for field in TableEntry.model_fields.values()}
    entry = text if not keys <= TableEntry.model_fields.keys() | camel else f"orders:\n{indented(text)}"
    return f"tables:\n{indented(entry)}"


def indented(text: str) -> str:
    return "".join(f"  {line}" for line in text.splitlines(keepends=True))


@contextmanager
def few_rows(module: ModuleType) -> Iterator[None]:
    few = {
        name: (columns, lambda today, rows=rows: islice(rows(today), ROWS), ROWS)
        for name, (columns, rows, _) in module._TABLES.items()
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_TABLES", few)
        yield


@pytest.fixture(scope="module")
def shop(seekdb: MySQLServer) -> str:
    """The sample shop, of each table the first rows."""
    database = seekdb.fresh_database()
    with few_rows(sample_data):
        connect = {"unix_socket": seekdb.unix_socket, "user": seekdb.user, "database": database}
        sample_data.load_sample_data(connect, today=NOW.date(), progress=lambda _done, _total: None)
    return database


@pytest.fixture(scope="module")
def shops(seekdb: MySQLServer, shop: str, postgres: PostgresServer) -> Mapping[str, SourceOptions]:
    """The same in each kind of source."""
    database = postgres.fresh_database().partition("?")[0].rpartition("/")[2]
    folder = postgres.server.socket_folder
    with few_rows(postgres_data):
        postgres_data.load_sample_data(
            {"host": str(folder), "user": "postgres", "dbname": database},
            today=NOW.date(),
            reader="postgres",
            progress=lambda _done, _total: None,
        )
    of_postgresql = SourceOptions(database=database, user="postgres", socket=folder, port=5432, kind="postgresql")
    return {"mysql": options_for(seekdb, shop), "postgresql": of_postgresql}


def newest_window(entry: TableEntry, now: datetime = NOW) -> TimeRange | None:
    if entry.partition is None:
        return None
    definition = partitions_of(entry.partition, ZONE)
    return time_range_of(entry.partition, definition, str(newest_complete(definition, now)))


def divide_orders(server: MySQLServer, shop: str, shards: Sequence[str]) -> None:
    """Make such tables, with some orders in the first."""
    tables = [f"CREATE TABLE IF NOT EXISTS {shard} LIKE orders" for shard in shards]
    with server.connect(database=shop) as connection, connection.cursor() as cursor:
        for statement in (*tables, f"REPLACE INTO {shards[0]} SELECT * FROM orders LIMIT 10"):
            cursor.execute(statement)
        connection.commit()


@pytest.mark.parametrize(("text", "kind"), list(examples()))
def test_an_example_of_the_docs_loads_and_reads_the_sample_shop(
    seekdb: MySQLServer, shop: str, shops: Mapping[str, SourceOptions], tmp_path: Path, text: str, kind: str
):
    path = tmp_path / "aggregation.yaml"
    path.write_text(completed(text), encoding="utf-8")
    entries = load_config(path, kinds={None: kind}).tables
    assert entries
    for entry in entries:
        if len(entry.shards) > 1:
            divide_orders(seekdb, shop, [shard.name for shard in entry.shards])
        else:
            assert entry.table in SHOP, "examples are of the sample shop, so that people can try them"
        request = ReadRequest(
            entry, "window", NOW.astimezone(UTC), ZONE, entry.options.zero_dates, newest_window(entry)
        )
        options = shops[entry.source_kind]
        extract = kind_of(options).read_extract(request, options, tmp_path)
        wanted = [
            name
            for name, asked in (("summary", entry.group_by or entry.aggregations), ("detail", entry.select_fields))
            if asked
        ]
        assert [dataset.name for dataset in extract.datasets] == (wanted or ["summary"])
        # A check that names a column of no file raises.
        evaluate_checks(entry, extract, None, lambda: None)


@pytest.mark.parametrize("name", ["configuration.md", "configuration.zh-CN.md"])
def test_the_example_of_partitions_publishes_just_after_midnight_too(
    seekdb: MySQLServer, shop: str, tmp_path: Path, name: str
):
    """When the shop was loaded the day before, and the newest partition holds no order of it."""
    blocks = [block[1] for block in BLOCK.finditer((REPOSITORY / "docs" / name).read_text(encoding="utf-8"))]
    (text,) = [block for block in blocks if "partition:" in block and "blocking" in block]
    path = tmp_path / "aggregation.yaml"
    path.write_text(completed(text), encoding="utf-8")
    (entry,) = load_config(path).tables
    midnight = datetime(2026, 11, 21, 0, 5, tzinfo=ZONE)
    request = ReadRequest(
        entry, "window", midnight.astimezone(UTC), ZONE, entry.options.zero_dates, newest_window(entry, midnight)
    )
    extract = read_extract(request, options_for(seekdb, shop), tmp_path, ignore_progress)
    assert extract.datasets[-1].rows == 0
    assert not [
        one.name for one in evaluate_checks(entry, extract, None, lambda: None) if one.blocking and not one.passed
    ]


def test_the_docs_have_examples():
    assert len(list(examples())) >= 5


def test_each_fault_in_the_reliability_table_names_a_test_that_exists():
    text = (REPOSITORY / "docs" / "reliability.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", text)
    assert len(named) >= 30
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (file := REPOSITORY / "aggregation_pipeline_tests" / path).is_file()
        or not re.search(rf"^def {name}\(", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md", "docs/operations.md", "docs/operations.zh-CN.md"])
def test_pages_say_how_many_faults_the_reliability_table_has(page: str):
    rows = re.findall(r"^\| \d+ \|", (REPOSITORY / "docs/reliability.md").read_text(encoding="utf-8"), re.MULTILINE)
    said = re.findall(r"\[(\d+) [^\]]*\]\((?:docs/)?reliability\.md\)", (REPOSITORY / page).read_text(encoding="utf-8"))
    assert said == [str(len(rows))]
