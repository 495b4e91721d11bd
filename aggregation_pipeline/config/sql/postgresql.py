"""PostgreSQL's dialect."""

import re
from typing import Final

from aggregation_pipeline.config.sql.dialect import Dialect, LiteralKind
from aggregation_pipeline.config.sql.postgresql_functions import KNOWN

_WORD: Final = r"[0-9A-Za-z_$\u0080-\U0010ffff]"
# As the server reads with standard_conforming_strings on. Left out, and so refused: names with Unicode escapes
# (U&"..."), in which a checked name could hide another; $$ quotes; comments inside of comments.
_TOKENS: Final = re.compile(
    rf"""
      (?P<space>    [ \t\r\n\f]+ )
    | (?P<comment>  --[^\r\n]* | /\*(?:(?!/\*|\*/).)*\*/ )
    | (?P<string>   [eE]'(?:[^'\\]|\\.|'')*+' | [bBxXnN]?'(?:[^']|'')*+' )
    | (?P<quoted>   (?<![uU]&)"(?:[^"]|"")++" )
    | (?P<number>   (?:0[xX][0-9A-Fa-f]+|0[oO][0-7]+|0[bB][01]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
                    (?!{_WORD}) )
    | (?P<word>     (?![0-9$])(?![uU]&["']){_WORD}+ )
    | (?P<symbol>   :: | @> | <@ | @\? | @@ | \?[|&]? | [\#]>>? | [\#]- | ->>? | \|\|? | &&? | ~~?\*?
                  | /(?!\*) | [-(),.+*%<>=!^~@\[\]:\#] )
    """,
    re.VERBOSE | re.DOTALL,
)
# Reserved words that are values: a column of that name needs quotation marks.
CONSTANTS: Final = frozenset(
    (
        *("current_date", "current_time", "current_timestamp", "localtime", "localtimestamp", "current_user"),
        *("current_role", "current_catalog", "current_schema", "session_user", "system_user", "user"),
        *("true", "false", "null"),
    )
)
CLOCK_WORDS: Final = frozenset(
    (
        *("now", "current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"),
        *("transaction_timestamp", "statement_timestamp", "clock_timestamp", "timeofday"),
    )
)
_WAITS: Final = "holds the connection, and the snapshot with it"
_RANDOM: Final = "gives another result each time, so the same data would not give the same file"
_LOCKS: Final = "works on locks of the server, which other programs rely on"
_ADMIN: Final = "administers the server, or tells of its inside"
_SEQUENCE: Final = "works on a sequence, whose state is no data of a snapshot"
_FILES: Final = "reads or writes files of the server's machine"
_OTHER_SERVERS: Final = "asks another server, which has another snapshot"
_SETTING: Final = "reads or changes settings of the session, which are fixed here"
_RUNS_TEXT: Final = "runs or reads what a text names, which cannot be checked"
_CLOCK: Final = "is the clock of the server; NOW() is the run's logical time"
_LARGE: Final = "works on large objects, which are not part of the table"
_FUNCTIONS: Final = {
    name: reason
    for names, reason in (
        ("pg_sleep pg_sleep_for pg_sleep_until", _WAITS),
        ("random random_normal setseed gen_random_uuid uuid_generate_v1 uuid_generate_v4 uuidv4 uuidv7", _RANDOM),
        ("array_sample array_shuffle gen_random_bytes gen_salt", _RANDOM),
        ("nextval setval lastval currval", _SEQUENCE),
        ("clock_timestamp statement_timestamp timeofday", _CLOCK),
        ("set_config current_setting", _SETTING),
        ("query_to_xml query_to_xmlschema query_to_xml_and_xmlschema cursor_to_xml cursor_to_xmlschema", _RUNS_TEXT),
        ("table_to_xml table_to_xmlschema table_to_xml_and_xmlschema ts_stat ts_rewrite xpath_table", _RUNS_TEXT),
        ("schema_to_xml schema_to_xmlschema schema_to_xml_and_xmlschema", _RUNS_TEXT),
        ("database_to_xml database_to_xmlschema database_to_xml_and_xmlschema", _RUNS_TEXT),
        ("crosstab crosstab2 crosstab3 crosstab4 connectby", _RUNS_TEXT),
        ("currtid currtid2 inet_client_addr inet_client_port inet_server_addr inet_server_port", _ADMIN),
        ("pg_backend_pid pg_conf_load_time pg_listening_channels pg_postmaster_start_time", _ADMIN),
        ("loread lowrite", _LARGE),
    )
    for name in names.split()
}
_PREFIXES: Final = {
    "pg_advisory_": _LOCKS,
    "pg_try_advisory_": _LOCKS,
    "pg_read_": _FILES,
    "pg_ls_": _FILES,
    "pg_stat_": _ADMIN,
    "pg_logical_": _ADMIN,
    "pg_replication_": _ADMIN,
    "pg_terminate_": _ADMIN,
    "pg_cancel_": _ADMIN,
    "pg_reload_": _ADMIN,
    "pg_rotate_": _ADMIN,
    "pg_notify": _ADMIN,
    "pg_export_": _ADMIN,
    "pg_switch_": _ADMIN,
    "pg_create_": _ADMIN,
    "pg_current_": _ADMIN,
    "pg_drop_": _ADMIN,
    "pg_promote": _ADMIN,
    "txid_": _ADMIN,
    "dblink": _OTHER_SERVERS,
    "postgres_fdw_": _OTHER_SERVERS,
    "lo_": _LARGE,
}
_WORDS: Final = {
    "into": "SELECT ... INTO writes tables",
    "tablesample": "it takes other rows each time",
    "copy": "COPY reads and writes files",
}
_LOCKS_ROWS: Final = "it locks rows"
_PAIRS: Final = {("for", word): _LOCKS_ROWS for word in ("update", "share", "no", "key")}
# Reserved words only: any other first word may be a column.
_STATEMENTS: Final = frozenset(("select", "with", "table", "create", "grant", "do", "analyze", "analyse"))
_FIGURES: Final = {
    # What the short names mean in MySQL; in PostgreSQL they are those of a sample.
    "STDDEV": "stddev_pop({0})",
    "VARIANCE": "var_pop({0})",
    "GROUP_CONCAT": "string_agg(({0})::text, ',' ORDER BY {0})",
}


def _literal(kind: LiteralKind, text: str) -> str:
    quoted = "'" + text.replace("'", "''") + "'"
    return {"number": text, "text": quoted, "date": f"DATE {quoted}", "datetime": f"TIMESTAMP {quoted}"}[kind]


POSTGRESQL: Final = Dialect(
    title="PostgreSQL",
    sqlglot="postgres",
    quote_mark='"',
    tokens=_TOKENS,
    literal=_literal,
    constants=CONSTANTS,
    clock_words=CLOCK_WORDS,
    functions=KNOWN,
    before_star=frozenset(("select", "all", "distinct")),
    refused_functions=_FUNCTIONS,
    refused_prefixes=_PREFIXES,
    refused_words=_WORDS,
    refused_pairs=_PAIRS,
    statements=_STATEMENTS,
    # pg_stats holds the most common values of columns, pg_stat_activity statements of other sessions.
    system_databases=frozenset(("information_schema", "pg_catalog", "pg_toast")),
    system_prefixes=("pg_",),
    figures=_FIGURES,
)
