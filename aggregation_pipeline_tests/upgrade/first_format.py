"""What the first version of the package stored, for tests of what reads it today."""

import json
import shutil
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.storage.folder import FolderStore

SAMPLES: Final = Path(__file__).parent / "samples"
PREFIX, TABLE, WINDOW = "daily", "users", "2026-11-20"


def sample_store(folder: Path) -> FolderStore:
    """A store with one window, which may be changed."""
    shutil.copytree(SAMPLES / "store", folder / "store")
    return FolderStore(folder / "store")


def sample_tables(url: str) -> sa.Engine:
    """A database with the tables of then, and rows in them. Requests are kept for a week: theirs are of now."""
    engine = create_engine(url, application_name="test")
    rows = json.loads((SAMPLES / "rows.json").read_text(encoding="utf-8"))
    with engine.begin() as connection:
        connection.exec_driver_sql((SAMPLES / "tables.sql").read_text(encoding="utf-8").replace("%", "%%"))
        for table, found in rows.items():
            connection.execute(
                sa.text(
                    f"INSERT INTO {table} OVERRIDING SYSTEM VALUE"
                    f" SELECT * FROM jsonb_populate_recordset(NULL::{table}, :rows ::jsonb)"
                ),
                {"rows": json.dumps(found)},
            )
        connection.exec_driver_sql("UPDATE aggregation_launches.requests SET created_at = now()")
        connection.exec_driver_sql("UPDATE aggregation_access.sessions SET seen_at = now(), started_at = now()")
    return engine
