"""MERGE tables, which show the rows of other tables."""

from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, ignore_progress, options_for, run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

USERS = {"name": "users", "select_fields": ["id", "phone"], "mask": {"phone": "hash"}}


def read(server: MySQLServer, database: str, directory: Path, table: dict[str, Any]) -> Extract:
    """Read an entry of a file that masks a column of `users`."""
    entry = PipelineConfig.model_validate({"tables": [USERS, table]}).tables[-1]
    request = ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZONE)
    return read_extract(request, options_for(server, database), directory, ignore_progress)


def test_a_merge_table_leads_to_the_tables_whose_rows_it_shows(mariadb: MySQLServer, tmp_path: Path):
    database = mariadb.fresh_database()
    columns = "(id INT PRIMARY KEY, phone VARCHAR(20) COMMENT ') ENGINE=') ENGINE="
    run_on(
        mariadb,
        database,
        [
            *(f"CREATE TABLE {name} {columns}MyISAM" for name in ("users", "`o``(),ld`")),
            f"CREATE TABLE everyone {columns}MERGE UNION=(`o``(),ld`, users) COMMENT=' UNION=(`orders`)'",
            "CREATE VIEW v_everyone AS SELECT id, phone AS p FROM everyone",
            "INSERT INTO users VALUES (1, '13812345678')",
            "CREATE TABLE orders (id INT PRIMARY KEY)",
            f"CREATE TABLE nobody {columns}MERGE",
        ],
    )
    entries: tuple[dict[str, Any], ...] = (
        {"name": "everyone", "select_fields": ["phone"], "consistency": "none"},
        {"name": "v_everyone", "select_fields": ["p"], "consistency": "none"},
        {"name": "orders", "select_fields": ["(SELECT MAX(phone) FROM everyone)"], "consistency": "none"},
    )
    for entry in entries:
        with pytest.raises(
            SourceError, match=rf"a MERGE table leads to {database}.users, which has .*allow: {{tables: \[{database}"
        ):
            read(mariadb, database, tmp_path, entry)
    allowed = entries[0] | {"allow": {"tables": ["users"]}}
    assert read(mariadb, database, tmp_path, allowed).datasets[0].rows == 1
    (tmp_path / "detail.parquet").unlink()
    assert read(mariadb, database, tmp_path, entries[0] | {"name": "nobody"}).datasets[0].rows == 0
