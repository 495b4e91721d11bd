"""Each server of MySQL's kin is judged by what it answers; the answers are recorded where no package of it is here."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SnapshotError, SourceError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql.explain import explain_query, scan_problem
from aggregation_pipeline.source.mysql.query import build_queries
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, SALT, ZONE, ignore_progress, rows_of
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.recordings import RECORDED, recorded
from aggregation_pipeline_tests.support.servers.replay import Replay

LIMITS = SourceLimits(timeout_seconds=120, max_snapshot_seconds=600)
NO_INDEX = "no index leads to the rows of its `where` (n = 3), so about 250,000 rows are read one by one"
TEXT_PLAN = "EXPLAIN answered in a form that is not understood ({}), so it cannot be judged"


class Expected(NamedTuple):
    """What a session finds out about a server.

    Attributes:
        limit: the variable that limits statements, with the value that 120 seconds are in it.
        no_snapshot: why there is none.
        cannot: what else it cannot do.
    """

    limit: tuple[str, str] | None
    plan: str
    no_snapshot: str = ""
    cannot: frozenset[str] = frozenset()


MYSQL = Expected(("max_execution_time", "120000"), NO_INDEX)
FOR_WRITES = "has transactions for writing only, so two statements may see two states"
NO_TIME = frozenset({"logical_time"})
EXPECTED = {
    "mysql57": MYSQL,
    "mysql8": MYSQL,
    "mysql9": MYSQL,
    "polardb": MYSQL,
    "tidb": Expected(("max_execution_time", "120000"), NO_INDEX, cannot=frozenset({"read_only"})),
    "polardbx": Expected(None, TEXT_PLAN.format("LOGICAL EXECUTIONPLAN")),
    "oceanbase": Expected(("ob_query_timeout", "120000000"), NO_INDEX),
    "starrocks": Expected(("query_timeout", "120"), TEXT_PLAN.format("Explain String"), FOR_WRITES, NO_TIME),
    "doris": Expected(
        ("query_timeout", "120"), TEXT_PLAN.format("Explain String(Nereids Planner)"), FOR_WRITES, NO_TIME
    ),
    "analyticdb": Expected(
        None,
        TEXT_PLAN.format("Plan Summary"),
        "says after START TRANSACTION that there is no transaction",
        NO_TIME,
    ),
    "clickhouse": Expected(
        ("max_execution_time", "120"),
        TEXT_PLAN.format("explain"),
        "takes no START TRANSACTION WITH CONSISTENT SNAPSHOT",
        frozenset({"logical_time", "time_zone", "user_variables"}),
    ),
}


@pytest.fixture(scope="module")
def shop(mysql56: MySQLServer) -> str:
    """A database with the table `t`, of the main types."""
    database = mysql56.fresh_database()
    with mysql56.connect(database=database) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE t (id INT PRIMARY KEY, n INT, big BIGINT UNSIGNED, price DECIMAL(20,4), ratio DOUBLE,"
            " name VARCHAR(20), day DATE, at DATETIME, note TEXT)"
        )
        cursor.execute(
            "INSERT INTO t VALUES (1, 3, 18446744073709551615, 1234567890.1234, 0.5, '张三', '2026-11-20',"
            " '2026-11-20 12:34:56', 'long'), (2, 3, 0, -0.0001, NULL, '', '0001-01-01', NULL, NULL)"
        )
        cursor.execute("CREATE TABLE moments (id INT PRIMARY KEY, ts TIMESTAMP NULL)")
    return database


# Those that differ most from the servers that are here; the others run where slow tests do.
DIFFERENT = ("clickhouse", "starrocks", "tidb")


@pytest.fixture(params=[name if name in DIFFERENT else pytest.param(name, marks=pytest.mark.slow) for name in RECORDED])
def server(request: pytest.FixtureRequest, mysql56: MySQLServer, tmp_path: Path) -> Iterator[tuple[str, Replay]]:
    with recorded(request.param, mysql56, tmp_path) as replay:
        yield request.param, replay


def options_of(replay: Replay, database: str) -> SourceOptions:
    return SourceOptions(database, replay.account.user, host="127.0.0.1", port=replay.port, mask_salt=SALT)


def session_of(replay: Replay, database: str, **keys: Any) -> Any:
    keys = {"limits": LIMITS, "require_snapshot": False, **keys}
    return open_session(options_of(replay, database), logical_time=LOGICAL_TIME, zone=ZONE, **keys)


def read(
    replay: Replay, database: str, folder: Path, note: Callable[[str], None] = lambda _: None, **keys: Any
) -> Extract:
    entry = TableEntry.model_validate({"name": "t", **keys})
    request = ReadRequest(entry, "2026-11-21", LOGICAL_TIME, ZONE)
    return read_extract(request, options_of(replay, database), folder, ignore_progress, lambda _: None, note)


def value_of(replay: Replay, variable: str) -> str | None:
    if variable in replay.variables.settings:
        return replay.variables.settings[variable][0]
    return replay.variables.values[variable]


def test_every_recorded_server_is_expected_here():
    assert set(RECORDED) == EXPECTED.keys()


def test_a_session_finds_out_what_the_server_can_do(server: tuple[str, Replay], shop: str):
    name, replay = server
    expected = EXPECTED[name]
    with session_of(replay, shop) as session:
        can = session.capabilities
        assert can.no_snapshot == expected.no_snapshot
        assert can.snapshot == ("none" if expected.no_snapshot else "transaction")
        abilities = ("read_only", "logical_time", "time_zone", "user_variables")
        assert {ability for ability in abilities if not getattr(can, ability)} == expected.cannot
        assert [limit.variable for limit in can.statement_limits] == ([expected.limit[0]] if expected.limit else [])
        if expected.limit:
            variable, value = expected.limit
            assert value_of(replay, variable) == value
            # A statement may take half a minute from now on, in whatever unit.
            session.limit_statements(30)
            assert float(str(value_of(replay, variable))) * 4 == float(value)
        words = " / ".join(can.in_words())
        assert (expected.no_snapshot or "one read-only snapshot, by a transaction") in words
        assert ("no limit on a statement's time can be set" in words) == (expected.limit is None)


def test_both_datasets_of_the_main_types_are_read(server: tuple[str, Replay], shop: str, tmp_path: Path):
    name, replay = server
    keys: dict[str, Any] = {
        "selectFields": ["id", "big", "price", "ratio", "name", "day", "at", "note"],
        "groupBy": ["n"],
        "aggregations": [{"function": "COUNT", "alias": "c"}, {"function": "SUM", "field": "price", "alias": "s"}],
    }
    without = EXPECTED[name].no_snapshot
    if without:
        with pytest.raises(
            SnapshotError, match=f"{without}, and the summary and the detail rows could disagree"
        ) as said:
            read(replay, shop, tmp_path, **keys)
        assert "write `consistency: none` in the table's entry; its manifest will then say so" in str(said.value)
        assert list(tmp_path.glob("*.parquet")) == []
        keys["consistency"] = "none"
    extract = read(replay, shop, tmp_path, **keys)
    assert extract.consistency == ("none" if without else "snapshot")
    assert rows_of(extract, "summary") == [{"n": 3, "c": 2, "s": Decimal("1234567890.1233")}]
    first, second = sorted(rows_of(extract), key=lambda row: row["id"])
    assert first == {
        "id": 1,
        "big": 2**64 - 1,
        "price": Decimal("1234567890.1234"),
        "ratio": 0.5,
        "name": "张三",
        "day": date(2026, 11, 20),
        "at": datetime.fromisoformat("2026-11-20T12:34:56"),
        "note": "long",
    }
    assert (second["ratio"], second["name"], second["day"], second["at"]) == (None, "", date(1, 1, 1), None)


def plan_problem(session: Session) -> str | None:
    entry = TableEntry.model_validate({"name": "t", "selectFields": ["id"], "where": "n = 3"})
    (query,) = build_queries(entry, primary_key=("id",))
    return scan_problem(entry, query, explain_query(session, query))


def test_a_plan_is_understood_or_said_not_to_be(server: tuple[str, Replay], shop: str, tmp_path: Path):
    name, replay = server
    expected = EXPECTED[name]
    with session_of(replay, shop) as session:
        assert expected.plan in str(plan_problem(session))
    if expected.plan != NO_INDEX:
        keys: dict[str, Any] = {"selectFields": ["id"], "consistency": "none"}
        notes: list[str] = []
        read(replay, shop, tmp_path, notes.append, **keys)
        assert any(expected.plan in note for note in notes)
        with pytest.raises(SourceError, match=r"cannot be judged.*Nothing was read, because source_limits\.on_scan"):
            read(replay, shop, tmp_path, **keys, sourceLimits={"on_scan": "error"})


def test_what_a_server_lacks_refuses_the_entries_that_need_it_and_no_others(
    server: tuple[str, Replay], shop: str, tmp_path: Path
):
    name, replay = server
    cannot = EXPECTED[name].cannot
    needs: dict[str, tuple[dict[str, Any], str]] = {
        "logical_time": (
            {"selectFields": ["id"], "where": "at < NOW()"},
            r"where: at < NOW\(\).* takes no `timestamp`",
        ),
        "time_zone": ({"table": "moments", "selectFields": ["id"]}, "TIMESTAMP columns ts would be shown in"),
        "user_variables": (
            {"selectFields": ["id", "name"], "mask": {"id": "hash"}},
            "takes no variable @mask_order, without which",
        ),
    }
    for ability, (keys, words) in needs.items():
        entry = {"consistency": "none", **keys}
        if ability in cannot:
            with pytest.raises(SourceError, match=words):
                read(replay, shop, tmp_path, **entry)
        else:
            read(replay, shop, tmp_path, **entry)


def test_a_session_costs_no_more_statements_than_it_did(server: tuple[str, Replay], shop: str):
    name, replay = server
    with session_of(replay, shop):
        pass
    before = len(replay.statements)
    with session_of(replay, shop):
        pass
    # SET NAMES, the limits on results, variables read and set, READ ONLY, START TRANSACTION, and the values read back.
    few = 7 if name in ("mysql57", "mysql8", "mysql9", "polardb", "polardbx", "oceanbase") else 12
    assert len(replay.statements) - before <= few, replay.statements[before:]
