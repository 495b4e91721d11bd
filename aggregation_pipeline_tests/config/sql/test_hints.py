"""A hint is kept as it is written, or refused in words: it may say how rows are found, never which."""

import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aggregation_pipeline.config.sql import hint_names as names
from aggregation_pipeline.config.sql.expressions import read_expression
from aggregation_pipeline.config.sql.hints import COMMAND_MARKS, SETTING_MARKS, LimitHint, read_hints
from aggregation_pipeline.config.sql.mysql import MYSQL
from aggregation_pipeline.config.sql.references import references_in
from aggregation_pipeline.config.sql.tokens import ExpressionError, tokenize, without_hints
from aggregation_pipeline.source.lineage import columns_of

# As the servers' own documentation writes them.
TAKEN = [
    "/*+ NO_RANGE_OPTIMIZATION(t3 PRIMARY, f2_idx) */",
    "/*+ BKA(t1) NO_BKA(t2) */",
    "/*+ SEMIJOIN(FIRSTMATCH, LOOSESCAN) */",
    "/*+ QB_NAME(qb1) INDEX(`order items`@qb1 by_day) */",
    "/*+ SET_VAR(sort_buffer_size = 16M) */",
    "/*+ SET_VAR(optimizer_switch = 'mrr_cost_based=off') SET_VAR(tmp_table_size=1024) */",
    "/*+ MAX_EXECUTION_TIME(1000) */",
    "/*+ RESOURCE_GROUP(batch) */",
    "/*+PARALLEL(8)*/",
    "/*+ READ_FROM_STORAGE(TIFLASH[t1], TIKV[shop.t2]) */",
    "/*+ USE_INDEX(t partition(p0, p1) b, c), HASH_AGG(), MEMORY_QUOTA(1024 MB) */",
    "/*+ LEADING((a b) c) PQ_DISTRIBUTE(t HASH HASH) INDEX(@sel_1 t by_day) */",
    "/*+ READ_CONSISTENCY(STRONG) QUERY_TIMEOUT(60000000) parallel(4) */",
    "/*+ OPT_PARAM('rowsets_enabled', 'true') */",
    "/*+ leading(t1 {t2 t3}) */",
    "/*+ SET_VAR(query_timeout = 1, pipeline_dop=4) */",
    "/*+TDDL:MASTER()*/",
    "/*+TDDL: CMD_EXTRA(ENABLE_MPP=true, WORKLOAD_TYPE=AP) SOCKET_TIMEOUT(40000) */",
    "/*+TDDL:MERGE_UNION=false INDEX(t, g_i)*/",
    "/*+ resource_group=user_default, query_timeout=1000 */",
    "/*+FILTER_NOT_PUSHDOWN_COLUMNS=[shop.t:a|b]*/",
    "/*+\n  INDEX(t by_day)\n  PARALLEL(2)\n*/",
    "USE INDEX (by_day)",
    "force key for order by (`by day`, PRIMARY)",
    "USE INDEX ()",
    "USE INDEX (a ,b)  IGNORE\tINDEX FOR GROUP BY(c)USE KEY(d)",
]
REFUSED = {
    "": "it is empty",
    "INDEX(t by_day)": r"INDEX\(t begins no hint; hints are written as in SQL",
    "/*+ INDEX(t by_day)": "never closed",
    "/*+ */": "holds no hint",
    "/*! STRAIGHT_JOIN */": "is no hint but SQL",
    "/*M!100100 STRAIGHT_JOIN */": "is no hint but SQL",
    "/* INDEX(t by_day) */": "begins no hint",
    "/*+ MRR(t) */ /*+ BKA(t) */": "a SELECT takes one",
    "/*+ INDEX(t by_day) */ FROM t; DROP TABLE t": "FROM begins no hint",
    "FORCE INDEX (by_day) WHERE 1 = 0": "WHERE begins no hint",
    "FORCE INDEX (by_day) FOR UPDATE": "FOR begins no hint",
    "FORCE INDEX ()": "FORCE begins no hint",
    "USE INDEX (a,)": "USE begins no hint",
    "USE INDEX (a b)": "USE begins no hint",
    "USE INDEX (`a` `b`)": "USE begins no hint",
    "USE INDEX (a)\u00a0FORCE INDEX (b)": "FORCE begins no hint",
    "USE INDEX (a) FORCE INDEX ( )": "FORCE begins no hint",
    "USE\u00a0INDEX (a)": "USE begins no hint",
    "USE INDEX (by_day); DROP TABLE t": "; begins no hint",
    "/*+ INDEX(t; u) */": "; does not belong in a hint",
    "/*+ INDEX(t /* by_day) */": "/ does not belong in a hint",
    "/*+ INDEX(t 'a*/') */": "'\\) begins no hint",
    "/*+ INDEX(t `a\\`) */": "` does not belong in a hint",
    "/*+ INDEX(t （by_day） */": "（ does not belong in a hint",
    "/*+ INDEX(t by_day */": "bracket in a hint is not closed",
    "/*+ READ_FROM_STORAGE(TIFLASH[t)] */": "bracket in a hint is not closed",
    "/*+ (t) */": r"\( is no name of a hint",
    "/*+ INDX(t by_day) */": "INDX is not among the hints .* Was INDEX meant?",
    "/*+ SET_VAR(sql_mode='') */": "sql_mode is no variable that a hint may set",
    "/*+ set_var(TIME_ZONE='+00:00') */": "time_zone is no variable",
    "/*+ SET_VAR(tmp_table_size=1, timestamp=1) */": "timestamp is no variable",
    "/*+ SET_VAR(max_execution_time=1) */": r"unit differs by server. Write MAX_EXECUTION_TIME\(milliseconds\)",
    "/*+ SET_VAR(lock_wait_timeout=1) */": "write source_limits.timeout_seconds",
    "/*+ SET_VAR() */": "name = value is expected",
    "/*+ SET_VAR(sql_mode) */": "name = value is expected",
    "/*+ OPT_PARAM('hidden_column_visible', 'true') */": "hidden_column_visible is not among",
    "/*+ sql_mode='' */": "SQL_MODE is not among",
    "/*+ INDEX(t a) sql_mode='' */": r"a variable is set by SET_VAR\(sql_mode=''\)",
    "/*+ MAX_EXECUTION_TIME(0) */": "one whole number above 0 is expected, in units of which 1,000 are a second",
    "/*+ QUERY_TIMEOUT(1, 2) */": "one whole number above 0 is expected, in units of which 1,000,000",
    "/*+ FROZEN_VERSION(1000) */": "reads rows of the past",
    "/*+ TOPK(90 1000) */": "approximate results",
    "/*+ SET_USER_VARIABLE(@a = 1) */": "sets nothing|sets a variable",
    "/*+ INDEX(t SET_VAR(a b)) */": "SET_VAR is a hint of its own and cannot stand inside of another one",
    "/*+ INDEX(t [`read_consistency` (WEAK)]) */": "cannot stand inside of another one",
    "/*+ INDEX(t a=1) */": "so it has no =",
    "/*+ TDDL:MASTER()*/": "without a blank",
    "/*+TDDL:NODE(0) SLAVE()*/": r"NODE\(0\) is refused: it reads a part of the table",
    "/*+TDDL:scan('t')*/": "reads a part of the table",
    "/*+TDDL:CMD_EXTRA(ENABLE_RECYCLEBIN=true)*/": "ENABLE_RECYCLEBIN is not among",
    "/*+TDDL:SET_VAR(sql_mode='')*/": "SET_VAR is not among",
    "/*+TDDL:SQL_MODE=''*/": "SQL_MODE is not among",
    f"/*+ INDEX(t {'a' * 5_000}) */": "4,096 is the limit",
}


@pytest.mark.parametrize("text", TAKEN)
def test_a_hint_is_kept_as_it_is_written(text: str):
    hints = read_hints((text,))
    assert (hints.index or hints.comment) == text
    assert (text in hints.select) == text.startswith("/*+")
    both = (
        read_hints((f" {text}\n", "IGNORE INDEX (other)")) if hints.comment else read_hints((f"/*+ MRR(t) */ {text}",))
    )
    assert text in (both.comment, both.index)


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:40].encode("ascii", "backslashreplace").decode())
def test_what_could_change_a_result_or_lift_a_limit_is_refused_in_words(text: str):
    with pytest.raises(ExpressionError, match=REFUSED[text]):
        read_hints((text,))


ARGUMENTS = st.text("ab_1 ,.@'\"`()[]{}=;/*!-#\\:|+％\n", max_size=12)
PIECES = st.sampled_from(
    (
        *(
            "/*+",
            "*/",
            "/*!",
            " ",
            ",",
            ";",
            "--",
            "'",
            "`",
            "INDEX",
            "(t a)",
            "SET_VAR",
            "(sql_mode='')",
            "FOR UPDATE",
        ),
        *("READ_CONSISTENCY(WEAK)", "PARALLEL(8)", "TDDL:", "MASTER()", "query_timeout=1", "USE INDEX (a)"),
    )
)


@given(
    st.lists(PIECES, max_size=9).map("".join)
    | st.builds(
        "/*+ {}({}) */".format, st.sampled_from(sorted(names.OF_ONE_SELECT | {"SET_VAR", "CMD_EXTRA"})), ARGUMENTS
    )
    | st.builds("{} INDEX ({})".format, st.sampled_from(["USE", "FORCE", "IGNORE"]), ARGUMENTS)
)
@example("/*+ INDEX(t a) */ USE INDEX (a)")
def test_a_text_is_kept_byte_for_byte_or_refused_and_never_leaves_its_place(text: str):
    try:
        hints = read_hints((text,))
    except ExpressionError:
        return
    assert re.sub(r"\s", "", hints.comment) in re.sub(r"\s", "", text)
    assert not hints.comment or hints.comment in text
    # Nothing but the one comment, and behind it names of indexes.
    assert re.fullmatch(r"(/\*\+(?:(?!\*/|/\*)[^;])*\*/)?", hints.comment)
    assert re.fullmatch(r"((USE|FORCE|IGNORE) (INDEX|KEY) ?\((`[^`]+`|[\w$\s,])*\) ?)*", hints.index, re.IGNORECASE)
    for word in ("sql_mode", "FOR UPDATE", "--"):
        assert word not in without_quoted(hints.comment + hints.index)


def without_quoted(text: str) -> str:
    return re.sub(r"`[^`]*`|'[^']*'|\"[^\"]*\"", "", text)


def test_hints_of_a_statement_stand_in_its_first_select_and_those_of_a_table_where_it_is_read():
    hints = read_hints(("/*+ INDEX(t a) MAX_EXECUTION_TIME(9) MRR(t), PARALLEL(8) */ USE INDEX (a)",))
    assert hints.around().select == "SELECT /*+ MAX_EXECUTION_TIME(9) PARALLEL(8) */"
    assert hints.inside().select == "SELECT /*+ INDEX(t a) MRR(t) */"
    assert hints.without_limits().select == "SELECT /*+ PARALLEL(8) INDEX(t a) MRR(t) */"
    assert hints.around().inside().select == hints.inside().around().select == "SELECT"
    for form in (("/*+TDDL:MASTER()*/", "SELECT /*+TDDL:MASTER()*/"), ("/*+ reorder_joins=false*/",) * 2):
        wide = read_hints(form[:1])
        assert wide.around().select.replace(" */", "*/").startswith(form[1])
        assert wide.inside().select == "SELECT"


def test_a_limit_of_ours_stands_in_the_comment_of_the_user_or_before_it_unless_the_user_has_one():
    command, setting = LimitHint(COMMAND_MARKS, "SOCKET_TIMEOUT(9)"), LimitHint(SETTING_MARKS, "query_timeout=9")
    expected = {
        (): ("/*+TDDL:SOCKET_TIMEOUT(9)*/ SELECT", "/*+ query_timeout=9 */ SELECT"),
        ("/*+TDDL:MASTER()*/",): (
            "SELECT /*+TDDL:MASTER() SOCKET_TIMEOUT(9)*/",
            "/*+ query_timeout=9 */ SELECT /*+TDDL:MASTER()*/",
        ),
        ("/*+ query_type=batch */",): (
            "/*+TDDL:SOCKET_TIMEOUT(9)*/ /*+ query_type=batch */ SELECT",
            "/*+ query_type=batch, query_timeout=9 */ SELECT",
        ),
        ("/*+TDDL:SOCKET_TIMEOUT(5)*/",): ("SELECT /*+TDDL:SOCKET_TIMEOUT(5)*/",) * 2,
        ("/*+query_timeout=5*/",): ("/*+query_timeout=5*/ SELECT",) * 2,
    }
    for texts, limited in expected.items():
        found = [read_hints(texts).with_limit(limit) for limit in (command, setting)]
        assert tuple(each.select for each in found) == limited
        assert {each.inside().select for each in found} == {"SELECT"}


def test_a_hint_in_a_sub_select_stays_as_it_is_and_names_nothing_that_the_expression_reads():
    text = "COALESCE((SELECT /*+ INDEX(u phone) NO_MRR(u) */ MAX(v) FROM u WHERE u.id = t.id), 0)"
    assert read_expression(text, "field") == text
    assert references_in(text) == references_in(text.replace("/*+ INDEX(u phone) NO_MRR(u) */ ", ""))
    assert columns_of("(SELECT /*+ INDEX(u phone) */ 1) + a") == ("a",)
    assert without_hints(f"'/*+ a */' {text}") == f"'/*+ a */' {text}".replace(
        "/*+ INDEX(u phone) NO_MRR(u) */", " " * len("/*+ INDEX(u phone) NO_MRR(u) */")
    )


def test_a_dialect_without_hints_takes_none():
    """What only looks like hints, because texts end elsewhere, hides no column from those who look for it."""
    dialect = replace(MYSQL, hints=None, obeyed_comments=("/*+",))
    with pytest.raises(ExpressionError, match="the server obeys"):
        tokenize("(SELECT /*+ MRR(t) */ 1)", dialect)
    assert without_hints(text := r"'\' || '/*+' || phone || '*/'", dialect) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/*+ INDEX(t a) */ a", "right behind SELECT"),
        ("(SELECT 1 /*+ INDEX(t a) */)", "right behind SELECT"),
        ("(SELECT /*+ MRR(t) */ /*+ MRR(t) */ 1)", "right behind SELECT"),
        ("(SELECT a FROM t FOR /*+ MRR(t) */ UPDATE)", "right behind SELECT"),
        ("(SELECT /*+ MAX_EXECUTION_TIME(1) */ 1)", "for the whole statement, not for a sub-select; .* key hints"),
        ("(SELECT /*+ PARALLEL(8) */ 1)", "key hints"),
        ("(SELECT /*+ READ_CONSISTENCY(WEAK) */ 1)", "key hints"),
        ("(SELECT /*+ NONSENSE(t) */ 1)", "not among the hints"),
    ],
)
def test_a_hint_in_an_expression_that_has_no_place_there_is_refused(text: str, words: str):
    with pytest.raises(ExpressionError, match=words):
        read_expression(text, "field")
