"""What MySQL 8, TiDB and others do with hints, played by servers with recorded replies."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from pymysql.constants import FIELD_TYPE

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.read_plan import plan_read
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.read_plan import ReadPlan
from aggregation_pipeline_tests.support.hinted_table import BOTH, of_rows, options_of, read_from, request_of, shop_of
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.packets import Column
from aggregation_pipeline_tests.support.servers.recordings import RECORDED, recorded
from aggregation_pipeline_tests.support.servers.replay import replaying
from aggregation_pipeline_tests.support.servers.replies import Forward, Reply, ResultSet


@pytest.fixture(scope="module")
def shop(mysql56: MySQLServer) -> str:
    return shop_of(mysql56)


# What people write for each server, and how it arrives, with a limit of ours where the server takes none otherwise.
OF_SERVERS = {
    "tidb": "SELECT /*+ READ_FROM_STORAGE(TIFLASH[t]) MAX_EXECUTION_TIME(1000) */ ",
    "oceanbase": "SELECT /*+ READ_CONSISTENCY(WEAK) PARALLEL(8) */ ",
    "polardb": "SELECT /*+ SET_VAR(max_parallel_degree=8) */ ",
    "polardbx": "SELECT /*+TDDL:MASTER() SOCKET_TIMEOUT(1800000)*/ ",
    "analyticdb": "/*+ resource_group=reports, query_timeout=1800000 */ SELECT ",
    "starrocks": "SELECT /*+ SET_VAR(query_timeout=60, pipeline_dop = 4) */ ",
    "doris": "SELECT /*+ SET_VAR(parallel_pipeline_task_num=4) ORDERED */ ",
    "clickhouse": "SELECT /*+ PARALLEL(2) */ ",
    "mysql57": "SELECT /*+ MAX_EXECUTION_TIME(1000) NO_ICP(t) */ ",
    "mysql8": "SELECT /*+ SET_VAR(sort_buffer_size=16M) */ ",
    "mysql9": "SELECT /*+ INDEX(t by_g) */ ",
}


@pytest.mark.parametrize(
    "name",
    [name if name in ("polardbx", "analyticdb") else pytest.param(name, marks=pytest.mark.slow) for name in RECORDED],
)
def test_hints_of_each_server_arrive_beside_our_own(name: str, mysql56: MySQLServer, shop: str, tmp_path: Path):
    written = re.sub(r",? (SOCKET_TIMEOUT\(1800000\)|query_timeout=1800000)", "", OF_SERVERS[name])
    (comment,) = re.findall(r"/\*\+.*?\*/", written)
    keys = {**BOTH, "consistency": "none"}
    with recorded(name, mysql56, tmp_path) as replay:
        read_from(replay, shop, tmp_path, lambda _: None, **keys, hints=comment)
        assert len(of_rows(replay)) >= 4
        # In the outer SELECT, where groups are counted again for want of FOUND_ROWS().
        assert all(sql.startswith(OF_SERVERS[name]) or "AS counted" in sql for sql in of_rows(replay))
        assert all(sql.count("TIMEOUT(") + sql.count("query_timeout=") <= 1 for sql in of_rows(replay))
        replay.statements.clear()
        read_from(replay, shop, tmp_path, lambda _: None, **keys)
        limited = {"polardbx": "/*+TDDL:SOCKET_TIMEOUT(1800000)*/ ", "analyticdb": "/*+ query_timeout=1800000 */ "}
        assert all(sql.startswith(f"{limited.get(name, '')}SELECT ") for sql in of_rows(replay))


def test_a_session_says_that_it_asks_for_a_limit_by_a_hint(mysql56: MySQLServer, shop: str, tmp_path: Path):
    with (
        recorded("polardbx", mysql56, tmp_path) as replay,
        open_session(options_of(replay, shop), logical_time=LOGICAL_TIME, zone=ZONE) as session,
    ):
        words = " / ".join(session.capabilities.in_words())
    assert "a hint in each statement asks for one (SOCKET_TIMEOUT(1800000)); max_snapshot_seconds closes" in words


WARNINGS = [Column("Level"), Column("Code", type_code=FIELD_TYPE.LONG), Column("Message")]


def warned(code: int, message: str) -> Sequence[tuple[str, Reply]]:
    return [
        (r"^SELECT /\*\+ .*FROM `t`", Forward(warnings=1)),
        ("^SHOW WARNINGS", ResultSet(WARNINGS, [["Warning", str(code), message]])),
    ]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (1064, "Optimizer hint syntax error near 'INDEX(t by_x) */ `id` FROM `t`' at line 1"),
        (3126, "Hint MRR(`t`@`select#1` )  is ignored as conflicting/duplicated"),
        (3128, "Unresolved name `t`@`select#1` `by_x` for INDEX hint"),
        (1815, "There are no matching table names for (t2) in optimizer hint /*+ HASH_JOIN(t2) */"),
        (8061, "Optimizer hint index is not supported by TiDB and is ignored"),
        (4220, "Query block name `qb1` is not found for SUBQUERY hint"),
    ],
)
def test_a_hint_that_was_not_followed_is_logged_and_fails_nothing(
    code: int, message: str, mysql56: MySQLServer, shop: str, tmp_path: Path
):
    said: list[str] = []
    plan = ReadPlan("t", "t", "2026-11-21")
    keys = {"selectFields": ["id"], "hints": "/*+ INDEX(t by_x) */"}
    with replaying(mysql56, tmp_path, warned(code, message)) as replay:
        read_from(replay, shop, tmp_path, said.append, **keys)
        plan_read(request_of(**keys), options_of(replay, shop), plan)
    assert said
    assert [words for words in plan.warnings if "hint" in words] == said
    assert all("it did not follow a hint" in words and "The result is right nevertheless." in words for words in said)


@pytest.mark.parametrize(("code", "message"), [(1064, "syntax error near 'x'"), (1292, "Truncated value: 'a hint'")])
def test_other_warnings_of_a_statement_with_hints_still_fail_the_table(
    code: int, message: str, mysql56: MySQLServer, shop: str, tmp_path: Path
):
    with (
        replaying(mysql56, tmp_path, warned(code, message)) as replay,
        pytest.raises(SourceError, match="the server warned about the result"),
    ):
        read_from(replay, shop, tmp_path, pytest.fail, selectFields=["id"], hints="/*+ INDEX(t by_x) */")
