"""A run over personal data: it is in no file, no event and no log."""

from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from dagster import AssetsDefinition, DagsterInstance

from aggregation_pipeline.assets.tables import source_pool
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.project import load_project
from aggregation_pipeline.runs.asset_keys import OP_PREFIX
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.source.mysql.query import ORDER_KEY
from aggregation_pipeline.source.mysql.variables import SQL_MODE
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline_tests.source.mysql.test_masks_by_chance import load_or_none, rows_shown
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.file_contents import contents
from aggregation_pipeline_tests.support.generated_sql import CELLS, TABLES, EntryGenerator
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.chosen import once

CONFIG = """
    options: {csv: {delimiter: ';', encoding: utf-8}}
    tables:
      people:
        group_by: [phone]
        aggregations: [{function: COUNT, alias: n}]
        select_fields: ['*']
        mask: {phone: hash, name: partial, id_card: drop}
        options: {csv: {delimiter: '|'}}
"""
SECRETS = (b"13812345678", "张三".encode(), b"11010119900307123X", b"a salt for this test only")


@pytest.fixture
def people(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    deployment.configure(CONFIG)
    deployment.execute(
        "CREATE TABLE people (id INT PRIMARY KEY, phone BIGINT, name VARCHAR(20), id_card VARCHAR(18))",
        "INSERT INTO people VALUES (1, 13812345678, '张三', '11010119900307123X')",
    )
    monkeypatch.chdir(REPOSITORY)
    return deployment


def events_of(instance: DagsterInstance, run_id: str) -> bytes:
    return "\n".join(str(record.event_log_entry) for record in instance.get_records_for_run(run_id).records).encode()


@once
def test_personal_data_is_nowhere_after_a_run(
    people: Deployment, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    people.enter(monkeypatch, MASK_SALT="a salt for this test only")
    project = load_project(load_settings())
    with open_instance(project) as instance:
        result = run_tables(project, build_definitions(project), instance, tables=None, formats=None)
        events = events_of(instance, result.batch_job_id)
    assert result.status == "completed"
    files = [path for path in people.folder.rglob("*") if path.is_file() and path.name != "aggregation.yaml"]
    stored: dict[Path, bytes] = {path: path.read_bytes() for path in files}
    said = capfd.readouterr()
    # A workbook and Parquet are compressed.
    assert {path.suffix for path in files} >= {".csv", ".json", ".xlsx", ".parquet", ".log"}
    held = [content for path in files for content in contents(path)]
    everything = b"\n".join([*held, events, said.out.encode(), said.err.encode()])
    assert b"summary preview" in everything
    assert [secret for secret in SECRETS if secret in everything] == []
    lines = next(content for path, content in stored.items() if path.name == "people.detail.csv").decode().splitlines()
    assert lines[0] == '"id"|"phone"|"name"'
    assert lines[1].endswith('|"张****"')
    (path,) = (path for path in files if path.name == "manifest.json" and path.parent.parent.name == "people")
    manifest = Manifest.from_json(stored[path], where=str(path))
    assert [dataset.masks for dataset in manifest.datasets] == [
        {"phone": "hash"},
        {"phone": "hash", "name": "partial", "id_card": "drop"},
    ]


def test_a_hash_without_a_salt_stops_loading(people: Deployment, monkeypatch: pytest.MonkeyPatch):
    people.enter(monkeypatch)
    with pytest.raises(SettingsError, match=r"MASK_SALT is not set.*people\.phone"):
        load_project(load_settings())


def test_each_source_database_has_its_own_pool(people: Deployment, monkeypatch: pytest.MonkeyPatch):
    people.enter(monkeypatch, MASK_SALT="a salt for this test only")
    definitions = build_definitions(load_project(load_settings()))
    ops = [
        assets.op
        for assets in definitions.assets or ()
        if isinstance(assets, AssetsDefinition) and assets.is_executable
    ]
    assert (
        {op.pool for op in ops if op.name.startswith(OP_PREFIX)}
        == {source_pool(people.database)}
        == {f"source_{people.database}"}
    )


@pytest.mark.slow
@pytest.mark.parametrize("mysql", ["mariadb"], indirect=True)
def test_no_masked_cell_is_anywhere_after_a_run_of_entries_made_by_chance(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    rows = ", ".join(f"({cells[0]}, {cells[1]})" for cells in CELLS)
    deployment.execute(*TABLES, f"INSERT INTO users VALUES {rows}")
    source = EntryGenerator(7)
    masking = source.masking_entry()
    with deployment.source.connect(database=deployment.database) as connection, connection.cursor() as cursor:
        cursor.execute(f"SET SESSION sql_mode = '{SQL_MODE}', {ORDER_KEY} = 'a key'")
        together = [masking]
        for keys in (source.random_entry(f"e{number}") for number in range(120)):
            # What another entry masks decides too; what the server refuses is no matter here.
            if (entry := load_or_none(*together, keys)) is not None and rows_shown(connection, entry) is not None:
                together.append(keys)
    assert len(together) > 12
    tables = {str(keys["name"]): {key: value for key, value in keys.items() if key != "name"} for keys in together}
    deployment.configure(yaml.safe_dump({"tables": tables}, sort_keys=False))
    monkeypatch.chdir(REPOSITORY)
    deployment.enter(monkeypatch, MASK_SALT="a salt for this test only")
    project = load_project(load_settings())
    with open_instance(project) as instance:
        result = run_tables(project, build_definitions(project), instance, tables=None, formats=None)
        everything = [events_of(instance, result.batch_job_id)]
    with create_engine(deployment.postgres_url, application_name="test").connect() as postgres:
        everything += [str(row).encode() for row in postgres.execute(sa.text("SELECT * FROM public.batch_jobs"))]
    assert len(everything) > 1
    files = [path for path in deployment.folder.rglob("*") if path.is_file() and path.name != "aggregation.yaml"]
    assert {path.suffix for path in files} >= {".csv", ".json", ".xlsx", ".parquet", ".log"}
    everything += [content for path in files for content in contents(path)]
    everything += [text.encode() for text in capfd.readouterr()]
    cells = [cell.strip(" '").encode() for _, masked_cells, _ in CELLS for cell in masked_cells.split(",")]
    whole = b"\n".join(everything)
    assert [cell for cell in cells if cell in whole] == []
