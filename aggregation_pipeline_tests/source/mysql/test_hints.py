"""Hints of an entry reach the server as they are written, in every statement over its rows, and have their effect."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.config.sql.hint_names import LIMIT_VARIABLES, OF_ONE_SELECT, VARIABLES
from aggregation_pipeline.config.sql.hints import read_hints
from aggregation_pipeline.errors import SnapshotError, SourceError
from aggregation_pipeline.source.mysql.as_of import as_of
from aggregation_pipeline.source.mysql.query import build_queries
from aggregation_pipeline.source.mysql.read_plan import plan_read
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.refresh_keys import read_keys
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.mysql.session_setup import SET_BY_US
from aggregation_pipeline.source.mysql.variables import FIXED
from aggregation_pipeline.source.read_plan import ReadPlan
from aggregation_pipeline.source.time_range import TimeRange
from aggregation_pipeline_tests.support.hinted_table import (
    BOTH,
    CREATE,
    FILL,
    of_rows,
    options_of,
    read_from,
    request_of,
    shop_of,
)
from aggregation_pipeline_tests.support.reading import (
    LOGICAL_TIME,
    ZONE,
    Execute,
    Read,
    ignore_progress,
    options_for,
    rows_of,
    run_on,
)
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.replay import Replay, replaying


@pytest.fixture
def t(execute: Execute) -> None:
    execute([CREATE.format("t"), FILL.format("t")])


@pytest.fixture(scope="module")
def shop(mysql56: MySQLServer) -> str:
    return shop_of(mysql56)


@pytest.fixture
def replay(mysql56: MySQLServer, tmp_path: Path) -> Iterator[Replay]:
    """A server that keeps the statements that it was sent."""
    with replaying(mysql56, tmp_path) as found:
        yield found


def indexes(server: MySQLServer, database: str, **keys: Any) -> set[str | None]:
    """The indexes that the server would use for the datasets of an entry."""
    plan = ReadPlan("t", "t", "2026-11-21")
    plan_read(request_of(**keys), options_for(server, database), plan)
    hint = "".join(keys.get("hints", ()))
    assert all(hint in dataset.sql for dataset in plan.datasets)
    return {dataset.index for dataset in plan.datasets}


@pytest.mark.sample
@pytest.mark.usefixtures("t")
def test_an_index_hint_decides_about_the_index_and_not_about_the_rows(mysql: MySQLServer, database: str, read: Read):
    keys = {**BOTH, "where": "g >= 1 AND d >= '2026-11-02'"}
    found = []
    for index in ("by_g", "by_d"):
        hints = [f"FORCE INDEX ({index})"]
        assert indexes(mysql, database, **keys, hints=hints) == {index}
        extract = read(name="t", **keys, hints=hints)
        assert [f"`t` {hints[0]} WHERE" in dataset.sql for dataset in extract.datasets] == [True, True]
        # Before the next read, which replaces the files of this one.
        found.append([rows_of(extract, name) for name in ("summary", "detail")])
    assert found[0] == found[1]


def test_a_comment_decides_about_the_index_on_a_server_that_follows_it(seekdb: MySQLServer, tmp_path: Path):
    database = seekdb.fresh_database()
    run_on(seekdb, database, [CREATE.format("t"), FILL.format("t")])
    keys = {**BOTH, "where": "g >= 1 AND d >= '2026-11-02'"}
    for index in ("by_g", "by_d"):
        assert indexes(seekdb, database, **keys, hints=[f"/*+ INDEX(t {index}) */"]) == {index}
    short = {**BOTH, "hints": "/*+ QUERY_TIMEOUT(1) */"}
    with pytest.raises(SourceError, match="time"):
        read_extract(request_of(**short), options_for(seekdb, database), tmp_path, ignore_progress)
    weak = request_of(**BOTH, consistency="none", hints="/*+ READ_CONSISTENCY(WEAK) PARALLEL(2) */")
    extract = read_extract(weak, options_for(seekdb, database), tmp_path, ignore_progress)
    assert (len(rows_of(extract)), extract.consistency) == (3, "none")
    plan = ReadPlan("t", "t", "2026-11-21")
    plan_read(weak, options_for(seekdb, database), plan)
    assert plan.snapshot is False
    assert any("READ_CONSISTENCY(WEAK) reads rows of some time ago" in warning for warning in plan.warnings)


@pytest.mark.usefixtures("t")
@pytest.mark.sample
def test_a_comment_that_a_server_does_not_know_changes_nothing(read: Read):
    hints = "/*+ MRR(t) SET_VAR(sort_buffer_size=16M) MAX_EXECUTION_TIME(60000) READ_FROM_STORAGE(TIFLASH[t]) */"
    assert len(rows_of(read(name="t", **BOTH, hints=hints))) == 3


@pytest.mark.usefixtures("t")
def test_a_wrong_index_is_named(mysql: MySQLServer, read: Read):
    if mysql.name == "seekdb":
        # It takes the hint for a wish.
        assert rows_of(read(name="t", **BOTH, hints="FORCE INDEX (by_x)"))
        return
    with pytest.raises(SourceError, match=r"There is no index 'by_x' in the table.*Correct the entry's `hints`"):
        read(name="t", **BOTH, hints="FORCE INDEX (by_x)")


def test_every_statement_that_reads_the_rows_has_the_hint(replay: Replay, shop: str, tmp_path: Path):
    hints = ["/*+ INDEX(t by_g)  MAX_EXECUTION_TIME(60000), MRR(t) */", "USE INDEX (by_g)  IGNORE INDEX (by_d)"]
    keys = {**BOTH, "selectFields": ["id", "s"], "orderBy": ["s"]}
    read_from(replay, shop, tmp_path, pytest.fail, **keys, hints=hints)
    # Two checks without rows, their count, the longest key, the rows of both.
    assert len(of_rows(replay)) == 6
    for sql in (*of_rows(replay), *(sql for sql in replay.statements if "EXPLAIN" in sql)):
        assert f"SELECT {hints[0]} " in sql
        assert f"FROM `t` {hints[1]} WHERE" in sql


def test_where_one_select_stands_in_another_each_has_its_hints(replay: Replay, shop: str, tmp_path: Path):
    hints = ["/*+ MAX_EXECUTION_TIME(60000) MRR(t) PARALLEL(2) */", "USE INDEX (by_g)"]
    cases: list[dict[str, Any]] = [
        {"limit": 2},
        {"mask": {"g": "hash"}, "where": None},
        {"table": "t_{0..1}", "orderBy": ["s"], "selectFields": ["id", "s"], "limit": 2},
    ]
    for case in cases:
        read_from(replay, shop, tmp_path, pytest.fail, **{**BOTH, **case}, hints=hints)
    nested = [sql for sql in of_rows(replay) if sql.count("SELECT") > 1]
    assert len(nested) >= 6
    for sql in nested:
        assert sql.startswith("SELECT /*+ MAX_EXECUTION_TIME(60000) PARALLEL(2) */ ")
        assert sql.count("MAX_EXECUTION_TIME") == 1
        assert sql.count("SELECT /*+ MRR(t) */ ") == sql.count("USE INDEX (by_g)") == len(re.findall("FROM `t", sql))


def test_keys_of_refresh_have_the_hints_without_their_limits(replay: Replay, shop: str):
    partition = {"column": "d", "every": "day", "start": "2026-11-01"}
    hints = ["/*+ MRR(t) MAX_EXECUTION_TIME(60000) PARALLEL(2) */", "FORCE INDEX (by_d)"]
    refresh = {"look_back": "3d", "key": "COUNT(*)"}
    request = request_of(selectFields=["id"], partition=partition, refresh=refresh, hints=hints)
    days = [TimeRange(f"2026-11-0{day}", "d", day_at(day), day_at(day + 1), ZONE) for day in (1, 2, 3)]
    assert len(read_keys(request.entry, days, options_of(replay, shop), seconds=30, zone_of=request)) == 3
    (union,) = (sql for sql in of_rows(replay) if "UNION ALL" in sql)
    assert "MAX_EXECUTION_TIME" not in "".join(replay.statements)
    assert re.findall(r"SELECT (?:/\*.*?\*/)?", union) == [
        "SELECT /*+ PARALLEL(2) MRR(t) */",
        *["SELECT /*+ MRR(t) */"] * 2,
    ]


def day_at(day: int) -> Any:
    return LOGICAL_TIME.astimezone(ZONE).replace(month=11, day=day, hour=0)


NAMES = st.text("aB_1é张$ -.'\"", min_size=1, max_size=9).map("`{}`".format) | st.text("aB_é张$", min_size=1)
TEXTS = st.builds(
    "/*+{}{}({}){}*/".format,
    st.sampled_from(["", " ", "\n", " NO_"]),
    st.sampled_from(sorted(OF_ONE_SELECT)),
    st.lists(NAMES, max_size=3).map(" ".join),
    st.sampled_from(["", " ", "\t", " PARALLEL(2) ", ", HASH_AGG()"]),
) | st.builds("USE INDEX FOR {} ({})".format, st.sampled_from(["JOIN", "ORDER BY"]), st.just(" by_g ,by_d"))


def test_a_hint_arrives_byte_for_byte(mariadb: MySQLServer):
    """As the server's own log of statements has it."""
    database = mariadb.fresh_database()
    run_on(mariadb, database, [CREATE.format("t")])
    options = options_for(mariadb, database)
    with (
        mariadb.connect(database="mysql") as log,
        log.cursor() as cursor,
        open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as session,
    ):
        cursor.execute("SELECT @@GLOBAL.log_output, @@GLOBAL.general_log")
        before = cursor.fetchone()
        cursor.execute("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON")
        number = session.row("SELECT CONNECTION_ID()")[0]

        @settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None)
        @given(TEXTS)
        def arrives(text: str) -> None:
            (query,) = build_queries(request_of(selectFields=["id"], hints=text).entry, primary_key=("id",))
            session.rows(query.sql)
            cursor.execute(
                "SELECT CONVERT(argument USING utf8mb4) FROM general_log WHERE thread_id = %s AND command_type ="
                " 'Query' ORDER BY event_time DESC LIMIT 1",
                (number,),
            )
            ((arrived,),) = cursor.fetchall()
            assert arrived == query.sql
            assert text in arrived

        try:
            arrives()
        finally:
            cursor.execute("SET GLOBAL general_log = %s, GLOBAL log_output = %s", (before[1], before[0]))
            cursor.execute("TRUNCATE general_log")


def test_as_of_takes_comments_and_says_that_it_takes_no_index_hints():
    sql = "SELECT /*+ INDEX(t by_g) */ `id`, (SELECT /*+ FULL(u) */ 1 FROM u) FROM `t`"
    assert as_of(sql, 7) == sql.replace("FROM u", "FROM u AS OF SNAPSHOT 7").replace("`t`", "`t` AS OF SNAPSHOT 7")
    with pytest.raises(SnapshotError, match=r"takes no index hint .* Write the hint as a comment, /\*\+ INDEX"):
        as_of("SELECT `id` FROM `t` USE INDEX (by_g)", 7)


def test_no_variable_that_could_change_a_result_can_be_set_by_a_hint():
    changing = {name for name, fixed in FIXED.items() if fixed.changes_results}
    assert not (VARIABLES | LIMIT_VARIABLES.keys()) & changing
    # Another value of the buffer costs time or ends in an error; the limit is compared with ours.
    assert (VARIABLES | LIMIT_VARIABLES.keys()) & SET_BY_US == {"sort_buffer_size", "query_timeout"}
    for name in SET_BY_US - {"sort_buffer_size", "query_timeout"}:
        with pytest.raises(
            ValueError, match=name.lstrip("@") if name != "max_execution_time" else "MAX_EXECUTION_TIME"
        ):
            read_hints((f"/*+ SET_VAR({name.upper()} = 1) */",))
