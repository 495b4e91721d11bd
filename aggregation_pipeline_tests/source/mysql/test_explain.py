"""EXPLAIN tells how a server would run a query; if it does not, that is reported."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.dry_run import plan_tables
from aggregation_pipeline.export.observer import SilentObserver
from aggregation_pipeline.export.window import export_window
from aggregation_pipeline.formats.registry import FORMATS
from aggregation_pipeline.source.mysql.explain import explain_query, scan_problem
from aggregation_pipeline.source.mysql.query import build_queries
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline_tests.support.reading import (
    LOGICAL_TIME,
    ZONE,
    Execute,
    Read,
    ignore_progress,
    options_for,
    run_on,
)
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

DAY = "at >= '2026-01-02' AND at < '2026-01-03'"


@pytest.fixture
def days(execute: Execute) -> None:
    """131,072 rows, one a minute, with an index on `at` and another on two columns."""
    execute(
        "CREATE TABLE days (id INT PRIMARY KEY AUTO_INCREMENT, at DATETIME, v INT, s VARCHAR(20), KEY by_at (at), KEY"
        " two (s, v))"
    )
    execute("INSERT INTO days (at, v, s) VALUES ('2026-01-01', 1, 'x')")
    execute(["INSERT INTO days (at, v, s) SELECT DATE_ADD('2026-01-01', INTERVAL id MINUTE), id % 7, s FROM days"] * 17)


@pytest.mark.usefixtures("days")
def test_a_day_that_an_index_could_find_is_not_refused_whether_the_server_takes_the_index_or_not(read: Read):
    for where in (DAY, "at >= '2000-01-01'", "id > 5", "s = 'x' AND v = 3"):
        read(name="days", select_fields=["id", "v", "s", "at"], where=where, source_limits={"on_scan": "error"})
    for where in ("v = 3", "DATE(at) = '2026-01-02'", "v = 3 AND DATE(at) = '2026-01-02'"):
        with pytest.raises(
            SourceError,
            match=(
                r"no index leads to the rows of its `where`.*Nothing was read, because source_limits\.on_scan is error"
            ),
        ):
            read(name="days", select_fields=["id", "v", "s", "at"], where=where, source_limits={"on_scan": "error"})


def explained(session: Session, entry: TableEntry) -> str | None:
    (query,) = build_queries(entry, primary_key=("id",))
    return scan_problem(entry, query, explain_query(session, query))


def test_the_format_of_the_answer_is_the_same_whatever_the_server_prefers(
    mysql: MySQLServer, database: str, execute: Execute, monkeypatch: pytest.MonkeyPatch
):
    execute(["CREATE TABLE t (id INT PRIMARY KEY)", "CREATE VIEW constants AS SELECT 1 AS id"])
    sent: list[str] = []
    rows = Session.rows

    def noted(session: Session, sql: str) -> Any:
        sent.append(sql)
        return rows(session, sql)

    monkeypatch.setattr(Session, "rows", noted)
    with open_session(options_for(mysql, database), logical_time=LOGICAL_TIME, zone=ZONE) as session:
        for name in ("t", "constants"):
            assert explained(session, TableEntry(name=name, select_fields=["id"], order="none")) is None
    assert sum(sql.startswith("EXPLAIN FORMAT=TRADITIONAL SELECT") for sql in sent) == 2


WORDS = (
    r"detail: how the server would read v_inn is not known, so on_scan cannot be applied: .*(1345|1142).*SHOW VIEW"
    r" on it and SELECT"
)


def test_a_refusal_behind_a_view_is_a_note_of_the_first_run_and_an_error_where_scans_are(
    with_engines: MySQLServer, mixed: str, account: str, tmp_path: Path
):
    run_on(with_engines, mixed, [f"GRANT SELECT ON v_inn TO {account}@'%'"])
    options = replace(options_for(with_engines, mixed), user=account)
    notes: list[str] = []
    request = ReadRequest(TableEntry(name="v_inn", select_fields=["id"]), "w", LOGICAL_TIME, ZONE)
    assert read_extract(request, options, tmp_path, ignore_progress, pytest.fail, notes.append).datasets[0].rows == 0
    assert len(notes) == 1
    assert re.search(WORDS, notes[0])
    (plan,) = plan_tables([(request, list(FORMATS))], lambda _: options, FolderStore(tmp_path / "store"), "p")
    assert any(re.search(WORDS, warning) for warning in plan.warnings)
    assert any("engines unknown (view v_inn)" in warning for warning in plan.warnings)
    assert plan.problems == []
    strict = TableEntry(name="v_inn", select_fields=["id"], source_limits={"on_scan": "error"})
    with pytest.raises(SourceError, match=WORDS + r".*on_scan is error"):
        read_extract(ReadRequest(strict, "w", LOGICAL_TIME, ZONE), options, tmp_path, ignore_progress)


class Listener(SilentObserver):
    def __init__(self) -> None:
        super().__init__()
        self.warned: list[str] = []

    def warn(self, text: str) -> None:
        self.warned.append(text)


def test_what_cannot_be_known_is_said_in_the_first_run_and_its_manifest_and_check_say_it_each_time(
    with_engines: MySQLServer, mixed: str, account: str, tmp_path: Path
):
    run_on(with_engines, mixed, [f"GRANT SELECT ON v_inn TO {account}@'%'"])
    options = replace(options_for(with_engines, mixed), user=account)
    entry = TableEntry(name="v_inn", aggregations=[{"function": "COUNT", "alias": "n"}])
    said = []
    for night in ("2026-11-20", "2026-11-21"):
        destination = Destination(
            FolderStore(tmp_path / "store"), "p", f"run-{night}", entry.options, tmp_path / "temp", NoLock()
        )
        listener = Listener()
        exported = export_window(ReadRequest(entry, night, LOGICAL_TIME, ZONE), options, ["csv"], destination, listener)
        said.append(listener.warned)
        assert (exported.manifest.consistency, exported.manifest.engines) == ("snapshot", "unknown (view v_inn)")
        (held,) = [check for check in exported.manifest.checks if check.name == "snapshot_held"]
        assert held.passed
        assert "as far as this account can see: engines unknown (view v_inn); GRANT SHOW VIEW" in held.message
    first, second = said
    assert len(first) == 1
    assert "so on_scan cannot be applied" in first[0]
    assert second == []
