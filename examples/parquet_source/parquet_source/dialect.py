"""DuckDB's SQL, as far as expressions in aggregation.yaml need it."""

import re
from typing import Final

from aggregation_pipeline.config.sql.dialect import Dialect, LiteralKind

# A word right before a quotation mark is no word: E'...' has escapes, and would be split in another way.
_WORD: Final = r"[0-9A-Za-z_\u0080-\U0010ffff]"
_TOKENS: Final = re.compile(
    rf"""
      (?P<space>    [ \t\r\n]+ )
    | (?P<comment>  --[^\n]* | /\*(?:(?!/\*).)*?\*/ )
    | (?P<string>   '(?:[^']|'')*+' )
    | (?P<quoted>   "(?:[^"]|"")++" )
    | (?P<number>   (?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?!{_WORD}) )
    | (?P<word>     (?![0-9]){_WORD}++(?!['"]) )
    | (?P<symbol>   :: | /(?!\*) | [-(),.+*%<>=!|^\[\]] )
    """,
    re.VERBOSE | re.DOTALL,
)
_FUNCTIONS: Final = frozenset(
    (
        *("abs", "avg", "ceil", "coalesce", "concat", "count", "date_trunc", "floor", "lower", "max", "min", "round"),
        *("sum", "trim", "upper"),
    )
)
_STATEMENTS: Final = frozenset(
    (
        *("select", "from", "with", "values", "insert", "update", "delete", "drop", "create", "alter", "copy"),
        *("attach", "set", "pragma"),
    )
)
_CHANGES: Final = "gives another result each time, so the same data would not give the same file"
_CLOCK: Final = "is the clock of this machine; write the time itself"
_LITERALS: Final = {"number": "{}", "text": "'{}'", "date": "DATE '{}'", "datetime": "TIMESTAMP '{}'"}


def _literal(kind: LiteralKind, text: str) -> str:
    return _LITERALS[kind].format(text.replace("'", "''"))


DUCKDB: Final = Dialect(
    title="DuckDB",
    sqlglot="duckdb",
    quote_mark='"',
    tokens=_TOKENS,
    literal=_literal,
    constants=frozenset(("true", "false", "null", "current_date", "current_timestamp")),
    clock_words=frozenset(("now", "today", "current_date", "current_timestamp")),
    # Nothing in this database is stored, so no function can read another table.
    functions=_FUNCTIONS,
    refused_functions={
        **dict.fromkeys(("random", "gen_random_uuid", "uuid", "nextval"), _CHANGES),
        **dict.fromkeys(("now", "today", "get_current_timestamp"), _CLOCK),
    },
    refused_words={"into": "it writes", "current_date": f"it {_CLOCK}", "current_timestamp": f"it {_CLOCK}"},
    refused_pairs={},
    statements=_STATEMENTS,
    before_star=frozenset(("select", "all", "distinct")),
    # In the config these are of a population.
    figures={
        "STDDEV": "stddev_pop({})",
        "VARIANCE": "var_pop({})",
        "GROUP_CONCAT": "string_agg({}::VARCHAR, ',')",
    },
)
