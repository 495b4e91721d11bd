"""What a session sets for its transaction, so that neither the server's settings nor those of the role change a result.

All of it ends with the transaction (SET LOCAL), so a pooler by transactions hands nothing on to others.
"""

import json
import math
from collections.abc import Mapping
from typing import Final

from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.source.postgresql.connection import APPLICATION_NAME

# A setting of our own, with the key of the hash by which rows are ordered whose own order would show masked values.
ORDER_KEY: Final = "aggregation_pipeline.mask_order"
_FIXED: Final[Mapping[str, str]] = {
    "application_name": APPLICATION_NAME,
    # See _SEARCH_PATH.
    "search_path": "public, pg_temp",
    "client_encoding": "UTF8",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "xmlbinary": "base64",
    "xmloption": "content",
    # It would begin a scan of a table where another scan is just then.
    "synchronize_seqscans": "off",
    # It would leave out rows that a GIN index finds.
    "gin_fuzzy_search_limit": "0",
}
# The schemas of extensions come after public: if the operators of citext are not found, those of text are taken, and
# = tells a from A. pg_temp is last: a temporary table of the session never hides the real one.
_SEARCH_PATH: Final = (
    "(SELECT concat_ws(', ', 'public', string_agg(DISTINCT quote_ident(n.nspname), ', '), 'pg_temp')"
    " FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace"
    " WHERE n.nspname NOT IN ('public', 'pg_catalog') AND has_schema_privilege(n.oid, 'USAGE'))"
)


def settings_sql(limits: SourceLimits, order_key: str) -> str:
    """Return the statement that sets everything which the server knows, and returns what it is.

    Its one row: version number, version, transaction_isolation, transaction_read_only, whether it is a replica, whether
    that is connected and has applied all that it received, when what it applied last was committed.
    """
    seconds = limits.max_snapshot_seconds + 1
    wanted = dict(_FIXED) | {
        "lock_timeout": f"{limits.lock_wait_seconds}s",
        "statement_timeout": statement_timeout(limits.timeout_seconds),
        "idle_in_transaction_session_timeout": f"{seconds}s",
        # PostgreSQL 17 and newer.
        "transaction_timeout": f"{seconds}s",
    }
    values = POSTGRESQL.literal("text", json.dumps(wanted))
    key = POSTGRESQL.literal("text", order_key)
    return (
        f"SELECT current_setting('server_version_num')::int, version(), current_setting('transaction_isolation'),"
        " current_setting('transaction_read_only'), pg_is_in_recovery(),"
        " CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() IS NOT DISTINCT FROM pg_last_wal_replay_lsn()"
        # Without a connection to its primary it has applied all that it received, and may miss hours.
        " AND EXISTS (SELECT FROM pg_stat_wal_receiver) END,"
        " CASE WHEN pg_is_in_recovery() THEN extract(epoch FROM pg_last_xact_replay_timestamp())::float8 END,"
        f" set_config('{ORDER_KEY}', {key}, true) IS NOT NULL,"
        # Only those that this server has: asking for another is an error, after which nothing can be read.
        f" (SELECT count(set_config(name, CASE name WHEN 'search_path' THEN {_SEARCH_PATH} ELSE value END, true))"
        " FROM (SELECT s.name, w.value FROM pg_settings AS s JOIN"
        f" json_each_text({values}) AS w(name, value) ON lower(s.name) = w.name OFFSET 0) AS known)"
    )


def statement_timeout(seconds: float) -> str:
    """Return the value of statement_timeout."""
    return f"{max(1, math.ceil(seconds * 1000))}ms"
