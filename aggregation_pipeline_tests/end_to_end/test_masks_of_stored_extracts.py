"""A stored extract is not made into files if it was read under other masks than today's."""

from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.published import render_window
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.io_managers.tables import PublishedTables
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline_tests.source.mysql.test_masked_views import ORDERS, SHOP, USERS, V_USERS
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, options_for, run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

PHONE = "13812345678"


OPEN = USERS | {"mask": {}}


# What the file held when the rows were read, and what it holds now; the first entry is the one in question.
MASKED_SINCE: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "by its own entry": ([OPEN], [USERS]),
    "by another rule": ([USERS], [USERS | {"mask": {"phone": "partial"}}]),
    "by another entry": (
        [OPEN | {"name": "open", "table": "users"}],
        [{"name": "open", "table": "users", "select_fields": ["id"]}, USERS],
    ),
    "behind a view": ([V_USERS], [V_USERS, USERS]),
}


def published(
    server: MySQLServer, database: str, folder: Path, entries: list[dict[str, Any]]
) -> tuple[TableEntry, Destination, Path]:
    """Publish the first of the entries, as part of a file of all of them."""
    entry = PipelineConfig.model_validate({"tables": tuple(entries)}).tables[0]
    destination = Destination(FolderStore(folder / "exports"), "", "run", entry.options, folder / "temp", NoLock())
    export_window(
        ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZONE),
        options_for(server, database),
        ["json"],
        destination,
        SilentObserver(),
    )
    return entry, destination, folder / "exports"


@pytest.mark.parametrize(("then", "now"), MASKED_SINCE.values(), ids=MASKED_SINCE.keys())
def test_nothing_is_made_of_rows_that_were_read_before_a_mask(
    mariadb: MySQLServer, tmp_path: Path, then: list[dict[str, Any]], now: list[dict[str, Any]]
):
    database = mariadb.fresh_database()
    run_on(mariadb, database, SHOP)
    _, destination, exports = published(mariadb, database, tmp_path, then)
    entry = PipelineConfig.model_validate({"tables": tuple(now)}).tables[0]
    with pytest.raises(
        StorageError, match=r"the masks have changed since its rows were read.*Materialize the table itself"
    ):
        render_window(entry, "2026-11-21", ["csv"], destination, SilentObserver())
    assert not list(exports.rglob("*.csv"))
    publisher = Publisher(destination.store, "", tmp_path / "temp", locks_url="")
    tables = PublishedTables(publisher, {entry.name: entry})
    with pytest.raises(StorageError, match="the masks have changed"):
        tables.load_rows(entry.name, [publisher.latest_manifest(entry.name)], None)


@pytest.mark.parametrize(
    "entries", [[USERS], [ORDERS, USERS], [OPEN]], ids=["masked then", "of another table", "no masks"]
)
def test_rows_that_were_read_under_the_masks_of_today_are_made_into_other_formats(
    mariadb: MySQLServer, tmp_path: Path, entries: list[dict[str, Any]]
):
    database = mariadb.fresh_database()
    run_on(mariadb, database, SHOP)
    entry, destination, exports = published(mariadb, database, tmp_path, entries)
    render_window(entry, "2026-11-21", ["csv"], destination, SilentObserver())
    (path,) = exports.rglob("run*/*.csv")
    assert (PHONE in path.read_text()) == (entries == [OPEN])
    # A mask of a table that the entry does not read is nothing to it.
    other = PipelineConfig.model_validate(
        {"tables": (*entries, {"name": "people", "select_fields": ["a"], "mask": {"a": "hash"}})}
    )
    render_window(other.tables[0], "2026-11-21", ["csv"], destination, SilentObserver())
