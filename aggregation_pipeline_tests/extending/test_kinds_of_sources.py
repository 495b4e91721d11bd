"""A package adds a kind of source: examples/parquet_source is found by its entry point, and read from end to end."""

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from aggregation_pipeline.config import source_kinds
from aggregation_pipeline.config.loading import load_config, load_usable_config
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.errors import ConfigError, SettingsError, SourceError
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.dry_run import TablePlan, plan_tables
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.named_sources import NamedSources
from aggregation_pipeline.source.kind import kind_of, source_kind
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.table_state import StateQuestion
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline.storage.published import load_manifest
from aggregation_pipeline_tests.support.paths import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "parquet_source"
NOW = datetime(2026, 11, 21, tzinfo=UTC)
CONFIG = """
sources: {{lake: {{kind: parquet, database: {folder}}}}}
tables:
  orders:
    source: lake
    group_by: [status, {{expr: '"Order Day"::DATE', alias: day}}]
    aggregations: [{{function: COUNT, alias: n}}, {{function: SUM, field: '"Paid amount"', alias: paid}}]
    having: n > 1 AND MAX("Paid amount") < 900
    select_fields: [id, status, '"Order Day"', email, phone, tags]
    where: status <> 'gone' AND tags[1] IS NOT NULL
    mask: {{email: partial, phone: hash}}
    order_by: [id DESC]
    partition: {{column: '"Order Day"', every: day, start: 2026-11-01}}
    formats: [json, csv]
"""


def forget_kinds() -> None:
    source_kinds.kind_named.cache_clear()
    source_kinds._of_packages.cache_clear()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example as if it were installed; returns a folder with a table."""
    group = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    lines = [f"[{name}]\n{key} = {value}\n" for name, kinds in group.items() for key, value in kinds.items()]
    _install(tmp_path / "site", "parquet_source", "".join(lines))
    monkeypatch.syspath_prepend(str(EXAMPLE))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    forget_kinds()
    (tmp_path / "lake").mkdir()
    days = [*map(datetime.fromisoformat, ("2026-11-19", "2026-11-20", "2026-11-20T23:59", "2026-11-21"))]
    table = {
        "id": [1, 2, 3, 4, 5],
        "status": ["paid", "paid", "paid", "paid", "gone"],
        "Order Day": [*days, days[1]],
        "Paid amount": pa.array([1, 2, 3, 4, 5], pa.decimal128(10, 2)),
        "email": ["a@x.com", "li@x.com", "wu@x.com", "d@x.com", "e@x.com"],
        "phone": ["13800000001", "13800000002", None, "13800000004", "13800000005"],
        "tags": [["a"], ["b", "c"], ["d"], ["e"], ["f"]],
    }
    pq.write_table(pa.table(table), tmp_path / "lake" / "orders.parquet")
    yield tmp_path / "lake"
    forget_kinds()


def _install(folder: Path, name: str, entry_points: str) -> None:
    info = folder / f"{name}-0.1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def loaded(folder: Path, text: str = CONFIG) -> PipelineConfig:
    path = folder.parent / "aggregation.yaml"
    path.write_text(text.format(folder=folder), "utf-8")
    return load_config(path)


def request_of(config: PipelineConfig) -> ReadRequest:
    entry, day = config.tables[0], datetime(2026, 11, 20, tzinfo=UTC)
    window = TimeRange("2026-11-20", "Order Day", day, day + timedelta(days=1), UTC)
    return ReadRequest(entry, "2026-11-20", NOW, ZoneInfo("UTC"), partition=window if entry.partition else None)


def sources(config: PipelineConfig) -> NamedSources:
    return NamedSources(Settings(mask_salt=SecretStr("0123456789abcdef0123456789abcdef")), config.sources)


def test_a_table_of_another_kind_goes_from_the_config_to_the_manifest(installed: Path, tmp_path: Path):
    config = loaded(installed)
    entry = config.tables[0]
    assert (entry.source_kind, entry.dialect.title) == ("parquet", "DuckDB")
    assert [column.name for column in entry.select_fields][2] == "Order Day"
    store = FolderStore(tmp_path / "exports")
    destination = Destination(store, "", "run", FormatOptions(), tmp_path / "temp", NoLock())
    observer = cast("Any", SilentObserver())
    export_window(request_of(config), sources(config).options("lake"), ["json", "csv"], destination, observer)
    manifest = load_manifest(store, "", "orders", "2026-11-20")
    assert manifest is not None
    assert [(dataset.name, dataset.rows) for dataset in manifest.datasets] == [("summary", 1), ("detail", 2)]
    detail = manifest.datasets[1]
    assert {column.name: column.type for column in detail.columns}["Order Day"].startswith("timestamp")
    assert detail.masks == {"email": "partial", "phone": "hash"}
    text = (tmp_path / "exports" / "orders" / "2026-11-20" / "orders.detail.csv").read_text("utf-8-sig")
    assert [line.split(",")[0] for line in text.splitlines()] == ['"id"', "3", "2"]
    assert "l****@x.com" in text
    assert "13800000002" not in text
    assert "li@x.com" not in text
    summary = (tmp_path / "exports" / "orders" / "2026-11-20" / "orders.summary.csv").read_text("utf-8-sig")
    assert summary.splitlines()[1].split(",")[2:] == ["2", "5.00"]


def test_masks_hold_by_the_names_of_the_dialect(installed: Path):
    """In MySQL's dialect `"Paid amount"` is a text, and shows no column."""
    shown = CONFIG.replace("email: partial", '"Paid amount": partial').replace(
        "email, phone", "email, phone, '\"Paid amount\"'"
    )
    with pytest.raises(ConfigError, match="paid shows Paid amount"):
        loaded(installed, shown.replace('{{"Paid amount"', "{{'Paid amount'"))


def test_masks_of_an_entry_that_cannot_be_used_hold_by_the_names_of_the_dialect(installed: Path):
    path = installed.parent / "aggregation.yaml"
    text = f"""
sources: {{lake: {{kind: parquet, database: {installed}}}}}
tables:
  orders: {{source: lake, limit: 0, select_fields: [{{expr: '"Paid amount"', alias: sum}}], mask: {{sum: partial}}}}
  again: {{source: lake, table: orders, select_fields: [{{expr: '"Paid amount"', alias: paid}}]}}
"""
    config, left_out = load_usable_config(path, text.encode())
    assert not left_out
    orders, again = config.tables
    assert "limit" in str(orders.issues)
    assert "the output paid shows Paid amount, which the entry orders masks" in str(again.issues)
    assert {entry.source_kind for entry in config.tables} == {"parquet"}


def test_it_is_planned_asked_for_its_health_and_examined(installed: Path, tmp_path: Path):
    config = loaded(installed)
    places, request = sources(config), request_of(config)
    (plan,) = plan_tables([(request, ["csv"])], places.options, FolderStore(tmp_path / "exports"), "")
    assert isinstance(plan, TablePlan)
    assert (plan.problems, plan.server, [dataset.name for dataset in plan.datasets]) == (
        [],
        "DuckDB",
        ["summary", "detail"],
    )
    assert plan.datasets[1].columns["tags"] == "VARCHAR[]"
    options = places.options("lake")
    kind = kind_of(options)
    kind.health_check(options, 2)()
    states = list(kind.table_states(options, ZoneInfo("UTC"), [StateQuestion(request.entry.source_table)]))
    assert [cast("Any", state).rows for state in states] == [5]
    assert [finding.status for finding in kind.examine(options, ZoneInfo("UTC"), config.tables, ())] == ["ok"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{group_by: [lower(]}", r"tables\.t\.group_by\[0\]: an opening parenthesis"),
        ("{group_by: ['`a b`']}", "does not belong in an expression of DuckDB; .* unusual names need double quotes"),
        ("{where: random() < 0.5}", r"tables\.t\.where: RANDOM\(\) is refused"),
        ("{where: 'day = CURRENT_DATE'}", "CURRENT_DATE is refused: it is the clock"),
        ("{where: status = E'x'}", r"tables\.t\.where: E does not belong in an expression of DuckDB"),
        ("{where: group by x}", 'needs double quotes: "group"'),
        (
            "{hints: '/*+ PARALLEL(8) */'}",
            r"tables\.t\.hints: a source of the kind parquet \(Parquet\) cannot be given hints to its optimizer; leave",
        ),
        ("{table: 't_{0..3}'}", r"tables\.t\.table: a source of the kind parquet \(Parquet\) cannot read several"),
        (
            "{partition: {column: d, every: day, start: 2026-01-01}, refresh: {look_back: 1d, key: MAX(d)}}",
            r"tables\.t\.refresh: a source of the kind parquet \(Parquet\) cannot tell which windows",
        ),
    ],
)
def test_what_its_sql_or_its_kind_cannot_do_is_refused_at_its_key(installed: Path, entry: str, message: str):
    body = entry.replace("{", "{source: lake, ", 1).replace("{", "{{").replace("}", "}}")
    text = f"sources: {{{{lake: {{{{kind: parquet, database: {{folder}}}}}}}}}}\ntables: {{{{t: {body}}}}}"
    with pytest.raises(ConfigError, match=message):
        loaded(installed, text)


def test_no_function_reaches_another_file_and_nothing_stays_after_an_error(installed: Path, tmp_path: Path):
    text = CONFIG[: CONFIG.index("tables:")] + "tables: {{orders: {{source: lake, select_fields: [{sql}]}}}}"
    config = loaded(installed, text.replace("{sql}", "'(SELECT content FROM read_text(''/etc/passwd''))'"))
    options = sources(config).options("lake")
    with pytest.raises(SourceError, match="DuckDB says"):
        kind_of(options).read_extract(request_of(config), options, tmp_path)
    assert [path.name for path in tmp_path.glob("*.parquet*")] == []


def test_a_source_of_a_kind_that_is_not_there_names_those_that_are(installed: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match=r"sources\.lake\.kind: .*'parquett'.*mysql.*parquet"):
        loaded(installed, CONFIG.replace("kind: parquet", "kind: parquett"))
    from parquet_source.kind import ParquetKind  # type: ignore[import-not-found]

    forget_kinds()
    monkeypatch.setattr(ParquetKind, "modules", {"no_such_driver": "parquet-source[driver]"})
    with pytest.raises(ConfigError, match=r"needs no_such_driver.*pip install 'parquet-source\[driver\]'"):
        loaded(installed)


def test_a_kind_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    _install(tmp_path / "site", "broken", "[aggregation_pipeline.sources]\nbroken = no_such_package.kind:KIND\n")
    _install(tmp_path / "site", "odd", "[aggregation_pipeline.sources]\nodd = builtins:len\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    forget_kinds()
    try:
        with pytest.raises(ConfigError, match=r"broken cannot be loaded from no_such_package\.kind:KIND"):
            source_kinds.kind_named("broken")
        with pytest.raises(ConfigError, match="odd"):
            source_kind("odd")
    finally:
        forget_kinds()


def test_variables_make_a_source_of_another_kind(installed: Path, monkeypatch: pytest.MonkeyPatch):
    from aggregation_pipeline.settings.base import load_settings

    monkeypatch.setenv("DB_LAKE_KIND", "parquet")
    monkeypatch.setenv("DB_LAKE_NAME", str(installed))
    settings = load_settings()
    assert settings.sources_by_variables == ("lake",)
    path = installed.parent / "aggregation.yaml"
    path.write_text("tables: {orders: {source: lake, select_fields: ['\"Order Day\"']}}", "utf-8")
    (entry,) = load_config(path, settings.sources_by_variables, settings.kinds_by_variables).tables
    assert entry.select_fields[0].name == "Order Day"
    options = NamedSources(settings, {}).options("lake")
    assert (options.kind, options.where) == ("parquet", str(installed))
    monkeypatch.setenv("DB_LAKE_KIND", "nothing")
    with pytest.raises(SettingsError, match=r"DB_LAKE_KIND: .*there is no kind of source 'nothing'"):
        NamedSources(load_settings(), {}).options("lake")


def test_ours_are_declared_as_those_of_others_are():
    declared = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"]
    assert declared[source_kinds.GROUP] == {**source_kinds.OWN_KINDS}
    for name in source_kinds.OWN_KINDS:
        assert source_kind(name).name == name
