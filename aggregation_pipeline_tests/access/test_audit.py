"""The audit log takes rows, gives none back before a year is over, and loses nothing silently."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from aggregation_pipeline.access.audit import Audit
from aggregation_pipeline.access.store import AccessStore, audit
from aggregation_pipeline.errors import AccessBusyError, AccessError

AWAY = "postgresql://nobody:hidden-word@127.0.0.1:1/none"


def add_old_row(store: AccessStore, who: str, age: timedelta) -> None:
    """As a year that has passed does it; only who owns the table can do this in an hour."""
    with store.transaction() as connection:
        connection.execute(sa.text("ALTER TABLE aggregation_access.audit DISABLE TRIGGER keep_audit_rows"))
        at = datetime.now(UTC) - age
        connection.execute(audit.insert().values(at=at, who=who, what="run", address="a", result="ok", details={}))
        connection.execute(sa.text("ALTER TABLE aggregation_access.audit ENABLE TRIGGER keep_audit_rows"))


def test_what_was_recorded_is_read_newest_first(store: AccessStore):
    log = Audit(store)
    began = datetime.now(UTC) - timedelta(minutes=1)
    assert log.record("alice", "sign-in", "192.0.2.1", "ok")
    assert log.record("alice/nightly", "run", "192.0.2.2", "refused", {"tables": "订单", "runs": 3, "at": began})
    newest, older, *_ = log.entries(since=began)
    assert (older.who, older.what, older.address, older.result, older.details) == (
        "alice",
        "sign-in",
        "192.0.2.1",
        "ok",
        {},
    )
    assert newest.details == {"tables": "订单", "runs": 3, "at": str(began)}
    assert [entry.who for entry in log.entries(limit=1)] == ["alice/nightly"]
    assert list(log.entries(since=datetime.now(UTC) + timedelta(minutes=1))) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE aggregation_access.audit SET who = 'nobody'",
        "UPDATE aggregation_access.audit SET at = at - INTERVAL '2 years'",
        "DELETE FROM aggregation_access.audit",
        "TRUNCATE aggregation_access.audit",
    ],
)
def test_no_row_is_changed_or_deleted(store: AccessStore, statement: str):
    Audit(store).record("alice", "kept", "192.0.2.1", "ok")
    with pytest.raises(AccessError, match="append-only"), store.transaction() as connection:
        connection.exec_driver_sql(statement)
    assert "kept" in [entry.what for entry in Audit(store).entries()]


def test_nobody_chooses_when_something_was_done(store: AccessStore):
    with store.transaction() as connection:
        connection.execute(
            audit.insert().values(
                at=datetime(2000, 1, 1, tzinfo=UTC), who="mallory", what="x", address="", result="ok", details={}
            )
        )
    (entry, *_) = Audit(store).entries()
    assert entry.who == "mallory"
    assert datetime.now(UTC) - entry.at < timedelta(hours=1)


def test_rows_are_deleted_after_a_year_and_not_before(store: AccessStore):
    add_old_row(store, "over", timedelta(days=367))
    add_old_row(store, "young", timedelta(days=360))
    Audit(store).record("alice", "anything", "192.0.2.1", "ok")
    found = {entry.who for entry in Audit(store).entries()}
    assert "over" not in found
    assert {"young", "alice"} <= found


def test_what_postgresql_does_not_take_is_logged_and_never_raised(caplog: pytest.LogCaptureFixture):
    assert Audit(AccessStore(AWAY)).record("alice", "run", "192.0.2.1", "ok", {"tables": "orders"}) is False
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    row = json.loads(line.partition("lacks: ")[2])
    assert row == {
        "who": "alice",
        "what": "run",
        "address": "192.0.2.1",
        "result": "ok",
        "details": {"tables": "orders"},
    }
    assert "hidden-word" not in caplog.text
    with pytest.raises(AccessBusyError, match="Check DAGSTER_PG_URL"):
        list(Audit(AccessStore(AWAY)).entries())


@pytest.mark.parametrize("name", ["nul\0", "half \ud800", "x" * 10**6, "line\nbreak\x1b[31m", "'; DROP TABLE audit --"])
def test_whatever_name_somebody_tries_is_recorded_on_one_line(store: AccessStore, name: str):
    assert Audit(store).record(name, "sign-in", "192.0.2.1", "refused", {"name": name})
    (entry, *_) = Audit(store).entries()
    assert entry.what == "sign-in"
    assert entry.who.isprintable()
    assert 0 < len(entry.who) <= 200
