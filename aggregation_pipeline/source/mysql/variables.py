"""The server variables that change, cut or hide a result, and the value that each has in our sessions.

A test proves every other session variable harmless, and fails for a variable that it does not know. docs/variables.md
is generated from this table. Most values are the servers' own defaults.
"""

from dataclasses import dataclass
from typing import Final

# ONLY_FULL_GROUP_BY turns a column that is neither grouped nor aggregated into an error where MySQL would pick any
# row's value. Without ALLOW_INVALID_DATES MySQL 5.6 turns a stored 2026-02-30 into 0000-00-00 in its temporary tables,
# and groups are merged. Left out on purpose: ANSI_QUOTES, PIPES_AS_CONCAT and NO_BACKSLASH_ESCAPES, under which an
# expression would mean something else than what was validated, and PAD_CHAR_TO_FULL_LENGTH.
SQL_MODE: Final = "ONLY_FULL_GROUP_BY,ALLOW_INVALID_DATES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION"
# The largest value that both MySQL and MariaDB take; the default of 1,024 cuts silently.
GROUP_CONCAT_MAX: Final = 4_294_967_295
# The servers' default. long_keys raises it where a text to group or sort by is longer, never more than needed: MySQL
# writes keys of this full length, and 100,000 rows of short text at the maximum of 8 MiB took 280 seconds and filled
# the disk.
SORT_LENGTH: Final = 1024
# MariaDB's default. MySQL's is an eighth of it, and MySQL sorts nothing whose keys do not fit into it 15 times.
SORT_BUFFER: Final = 2_097_152
# The largest value that all servers take.
NO_LIMIT: Final = 9_223_372_036_854_775_807

# The collation of `SET NAMES utf8mb4` on a server with default settings. It differs from server to server on purpose:
# text made by a view or a stored function has the collation that was set when that was created, mostly the server's
# default, and comparing it with a literal of another collation is an error (1267).
_OWN_COLLATION: Final = (
    "(SELECT collation_name FROM information_schema.collations WHERE character_set_name = 'utf8mb4' AND is_default ="
    " 'Yes')"
)
_UNICODE_SETS: Final = ("utf8mb3", "ucs2", "utf8mb4", "utf16", "utf32")


@dataclass(frozen=True)
class Fixed:
    """A variable's value in our sessions.

    Attributes:
        value: as SQL; without its quotes it is what SHOW VARIABLES prints.
        servers: which servers have it.
        why: what another value would do.
        changes_results: False if another value only causes an error or costs time.
        only_if_different: set only if the server has another value, since not every server lets it be set.
        only_with: set only on servers that have this variable too.
    """

    value: str
    servers: str
    why: str
    changes_results: bool = True
    only_if_different: bool = False
    only_with: str = ""


_ALL, _OURS, _MARIADB, _MYSQL8, _OCEANBASE, _TIDB = (
    "all",
    "MySQL, MariaDB",
    "MariaDB",
    "MySQL 8",
    "OceanBase, seekdb",
    "TiDB",
)

FIXED: Final[dict[str, Fixed]] = {
    "sql_mode": Fixed(
        f"'{SQL_MODE}'", _ALL, "the meaning of quotes, `||`, `NOT`, blanks of CHAR, columns that are not grouped"
    ),
    "group_concat_max_len": Fixed(str(GROUP_CONCAT_MAX), _ALL, "GROUP_CONCAT is cut"),
    "sql_select_limit": Fixed(str(NO_LIMIT), _ALL, "rows are cut"),
    "sql_big_selects": Fixed("'ON'", _OURS, "max_join_size ends a statement", changes_results=False),
    "collation_connection": Fixed(
        _OWN_COLLATION, _ALL, "how literals, numbers as text and DATE_FORMAT compare: `'a' = 'A'`"
    ),
    "character_set_collations": Fixed(
        "'" + ",".join(f"{name}={name}_uca1400_ai_ci" for name in _UNICODE_SETS) + "'",
        "MariaDB 11.2",
        "how CONVERT(x USING ...) compares",
    ),
    # MySQL 8 wants a privilege for setting it, so init_connect cannot set it there.
    "default_collation_for_utf8mb4": Fixed(
        "'utf8mb4_general_ci'", _OCEANBASE, "how CONVERT(x USING ...) compares", only_with="ob_query_timeout"
    ),
    "lc_time_names": Fixed("'en_US'", _ALL, "the language of DATE_FORMAT, DAYNAME, MONTHNAME"),
    "max_error_count": Fixed("1024", _OURS, "warnings are hidden"),
    "sql_notes": Fixed("'ON'", _ALL, "notes of a value that overflowed are hidden"),
    "note_verbosity": Fixed("'basic'", _MARIADB, "notes of a value that overflowed are hidden"),
    "max_sort_length": Fixed(str(SORT_LENGTH), _OURS, "longer text is one group, or sorted by its beginning"),
    "sort_buffer_size": Fixed(str(SORT_BUFFER), _OURS, "error 1038", changes_results=False),
    "system_versioning_asof": Fixed("DEFAULT", _MARIADB, "rows of the past"),
    "default_regex_flags": Fixed("''", _MARIADB, "REGEXP"),
    "old_mode": Fixed("'UTF8_IS_UTF8MB3'", _MARIADB, "CAST(time AS DATETIME), what `utf8` means"),
    "standard_compliant_cte": Fixed("'ON'", _MARIADB, "recursive views"),
    "max_recursive_iterations": Fixed("4294967295", _MARIADB, "a recursive view is cut"),
    "cte_max_recursion_depth": Fixed(
        "4294967295", "MySQL 8, OceanBase, seekdb", "error 3636 of a recursive view", changes_results=False
    ),
    "div_precision_increment": Fixed("4", _ALL, "the digits of `/` and AVG"),
    "default_week_format": Fixed("0", _ALL, "WEEK(d)"),
    "block_encryption_mode": Fixed("'aes-128-ecb'", _ALL, "AES_DECRYPT, AES_ENCRYPT"),
    "sql_auto_is_null": Fixed("'OFF'", _ALL, "`id IS NULL` finds the last row that was inserted"),
    "last_insert_id": Fixed("0", _ALL, "LAST_INSERT_ID()"),
    "query_cache_type": Fixed("'OFF'", "MySQL 5, MariaDB", "an older result", only_if_different=True),
    "completion_type": Fixed("'NO_CHAIN'", _ALL, "what happens after the transaction", changes_results=False),
    "tx_isolation": Fixed("'REPEATABLE-READ'", _ALL, "no snapshot, which is read back", changes_results=False),
    "transaction_isolation": Fixed("'REPEATABLE-READ'", _ALL, "no snapshot, which is read back", changes_results=False),
    "wsrep_dirty_reads": Fixed("'OFF'", _MARIADB, "what a node without its cluster still has"),
    "mhnsw_ef_search": Fixed("20", "MariaDB 11.7", "what a vector index finds"),
    "windowing_use_high_precision": Fixed("'ON'", _MYSQL8, "sums of floats in windows"),
    "use_secondary_engine": Fixed("'OFF'", _MYSQL8, "another engine, outside the snapshot"),
    "show_gipk_in_create_table_and_information_schema": Fixed("'ON'", _MYSQL8, "the order of rows"),
    "explain_format": Fixed("'TRADITIONAL'", _MYSQL8, "estimates are not understood", changes_results=False),
    "ob_read_consistency": Fixed("'STRONG'", _OCEANBASE, "rows of some time ago"),
    "is_result_accurate": Fixed("'ON'", _OCEANBASE, "approximate results"),
    "ob_hnsw_ef_search": Fixed("64", _OCEANBASE, "what a vector index finds"),
    "ob_ivf_nprobes": Fixed("8", _OCEANBASE, "what a vector index finds"),
    "ob_sparse_drop_ratio_search": Fixed("0", _OCEANBASE, "what a vector index finds"),
    "tidb_snapshot": Fixed("''", _TIDB, "rows of the past"),
    "tidb_read_staleness": Fixed("0", _TIDB, "rows of some time ago"),
    "tidb_enable_external_ts_read": Fixed("'OFF'", _TIDB, "rows of the past"),
    "tidb_low_resolution_tso": Fixed("'OFF'", _TIDB, "rows of some time ago"),
}
# (A variable that newer servers have, their default collation.) Such a MariaDB still reports the old collation as its
# default.
NEWER_COLLATION: Final = ("character_set_collations", "'utf8mb4_uca1400_ai_ci'")
