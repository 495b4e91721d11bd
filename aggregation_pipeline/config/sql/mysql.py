"""MySQL's dialect, and that of its kin."""

import re
from typing import Final

from aggregation_pipeline.config.sql.dialect import Dialect, LiteralKind
from aggregation_pipeline.config.sql.server_functions import KNOWN, WITHOUT_BLANK

_WORD: Final = r"[0-9A-Za-z_$\u0080-\U0010ffff]"
_STRING: Final = r"""'(?:[^'\\]|\\.|'')*+' | "(?:[^"\\]|\\.|"")*+" """
_QUOTED: Final = r"`(?:[^`]|``)++`"
_TOKENS: Final = re.compile(
    rf"""
      (?P<space>    [ \t\r\n]+ )
    | (?P<comment>  --(?=[ \t\r\n]|$)[^\n]* | \#[^\n]* | /\*.*?\*/ )
    | (?P<string>   {_STRING} )
    | (?P<quoted>   {_QUOTED} )
    | (?P<number>   (?:0x[0-9A-Fa-f]+|0b[01]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?!{_WORD}) )
    | (?P<word>     (?![0-9]){_WORD}+ )
    | (?P<symbol>   @@ | /(?!\*) | [-(),.+*%<>=!&|^~@] )
    """,
    re.VERBOSE | re.DOTALL,
)
_HINTS: Final = re.compile(rf"{_STRING} | {_QUOTED} | /\*\+.*?\*/", re.VERBOSE | re.DOTALL)
CONSTANTS: Final = frozenset(
    (
        *("current_date", "current_time", "current_timestamp", "current_user", "localtime", "localtimestamp"),
        *("utc_date", "utc_time", "utc_timestamp", "true", "false", "null"),
    )
)
_CLOCK: Final = frozenset(
    (
        *("now", "curdate", "curtime", "current_date", "current_time", "current_timestamp", "localtime"),
        *("localtimestamp", "utc_date", "utc_time", "utc_timestamp"),
    )
)
_BEFORE_STAR: Final = frozenset(
    (
        *("select", "all", "distinct", "high_priority", "straight_join", "sql_big_result"),
        *("sql_buffer_result", "sql_cache", "sql_calc_found_rows", "sql_no_cache", "sql_small_result"),
    )
)
_WAITS: Final = "holds the connection, and the snapshot with it"
_RANDOM: Final = "gives another result each time, so the same data would not give the same file"
_CONNECTION: Final = "tells of the connection, so the same data would not give the same file"
_WRITES_COUNTED: Final = "changes with whatever is written on the server, so the same data would not give the same file"
_SERVICE: Final = "sends values of cells to a service outside of the server, which answers otherwise each time"
_LOCKS: Final = "works on locks of the server, which other programs rely on"
_ADMIN: Final = "administers the server"
_SEQUENCE: Final = "advances a sequence, which is a write"
_SERVER_CLOCK: Final = "is the clock of the server, which differs from row to row; NOW() is the run's logical time"
_FUNCTIONS: Final = {
    name: reason
    for names, reason in (
        ("sleep benchmark master_pos_wait master_gtid_wait source_pos_wait", _WAITS),
        ("wait_for_executed_gtid_set wait_until_sql_thread_after_gtids", _WAITS),
        ("get_lock release_lock release_all_locks is_free_lock is_used_lock", _LOCKS),
        ("load_file sys_exec sys_eval sys_get sys_set", "reads or changes files and programs of the server's machine"),
        ("rand random random_bytes uuid uuid_short uuid_v4 uuid_v7 sys_guid", _RANDOM),
        ("connection_id found_rows row_count ps_current_thread_id ps_thread_id", _CONNECTION),
        ("last_trace_id ob_transaction_id", _CONNECTION),
        ("current_scn", _WRITES_COUNTED),
        ("ai_complete ai_embed ai_rerank ml_generate ml_embed_row", _SERVICE),
        ("user session_user system_user", _CONNECTION),
        ("sysdate", _SERVER_CLOCK),
        ("nextval setval lastval", _SEQUENCE),
        ("last_insert_id", "keeps a value in the session, and a pipeline that only reads never inserts"),
    )
    for name in names.split()
}
_VARIABLES: Final = {
    name: reason
    for names, reason in (
        ("pseudo_thread_id last_insert_id identity insert_id proxy_user external_user", _CONNECTION),
        ("warning_count error_count", _CONNECTION),
        ("rand_seed1 rand_seed2", _RANDOM),
        ("timestamp", "is a clock; NOW() is the run's logical time"),
        ("gtid_executed gtid_purged gtid_owned gtid_next gtid_current_pos gtid_binlog_pos", _WRITES_COUNTED),
        ("gtid_binlog_state gtid_slave_pos gtid_seq_no last_gtid", _WRITES_COUNTED),
    )
    for name in names.split()
}
_PREFIXES: Final = (
    *("group_replication_", "asynchronous_connection_failover_", "version_tokens_", "service_get_", "service_release_"),
    *("keyring_key_", "audit_log_", "audit_api_", "mysql_firewall_", "read_firewall_", "set_firewall_", "wsrep_"),
)
_WORDS: Final = {
    "into": "SELECT ... INTO writes files or variables",
    "procedure": "PROCEDURE runs a program of the server",
    "lock": "LOCK IN SHARE MODE locks rows",
    "outfile": "INTO OUTFILE writes files",
    "dumpfile": "INTO DUMPFILE writes files",
    "sysdate": f"it {_SERVER_CLOCK}",
    "distinctrow": "it is another word for DISTINCT; write DISTINCT",
    **dict.fromkeys(["nextval", "setval", "lastval"], f"it {_SEQUENCE}"),
}
_PAIRS: Final = {
    ("distinct", "from"): "MySQL compares NULL too by a <=> b, and by NOT (a <=> b)",
    ("for", "update"): "it locks rows",
    ("for", "share"): "it locks rows",
    ("next", "value"): f"it {_SEQUENCE}",
}
# Reserved words only: any other first word may be a column.
_STATEMENTS: Final = frozenset(
    (
        *("select", "with", "values", "table", "update", "delete", "drop", "create", "alter"),
        *("set", "call", "load", "grant", "revoke", "use"),
    )
)


def _literal(kind: LiteralKind, text: str) -> str:
    if kind == "text":
        # The introducer gives way to the column's own collation.
        return f"_utf8mb4 0x{text.encode().hex()}" if text else "''"
    return text if kind == "number" else f"'{text}'"


MYSQL: Final = Dialect(
    title="MySQL",
    sqlglot="mysql",
    quote_mark="`",
    tokens=_TOKENS,
    literal=_literal,
    constants=CONSTANTS,
    clock_words=_CLOCK,
    functions=KNOWN,
    functions_without_blank=WITHOUT_BLANK,
    before_star=_BEFORE_STAR,
    refused_functions=_FUNCTIONS,
    refused_prefixes=dict.fromkeys(_PREFIXES, _ADMIN),
    refused_variables=_VARIABLES,
    refused_words=_WORDS,
    refused_pairs=_PAIRS,
    statements=_STATEMENTS,
    obeyed_comments=("/*!", "/*M!"),
    hints=_HINTS,
    system_databases=frozenset(("information_schema", "mysql", "performance_schema", "sys", "oceanbase")),
    truth="1",
)
