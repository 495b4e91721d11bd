"""What a server's error and warning numbers mean, in our own words: the server's may hold the value of a cell.

`{name}` becomes the first known name in the server's message, `{column}` the known name after "for column", `{type}` a
type's name, `{user}` DB_USER. Each comes with a blank before it, or is empty if the message has none. Numbers are
MySQL's, which MariaDB and OceanBase share below 3000.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Refusal(NamedTuple):
    """What happened, and what to do about it."""

    words: str
    remedy: str = ""


# The connection or the server went away or is full, or another session holds a lock: a retry may succeed.
RETRYABLE: Final[Mapping[int, str]] = {
    1040: "the server has no connection free",
    1053: "the server is shutting down",
    1203: "this user has no connection free",
    1205: "another session holds a lock",
    1213: "the server broke a deadlock by ending this statement",
    1927: "the connection was killed",
    2002: "no server answers there",
    2003: "no server answers there",
    2006: "the server went away",
    2013: "the server went away in the middle of a statement",
    2014: "the connection is out of step",
    5066: "the connection was killed",
}
_TOO_LONG: Final = Refusal(
    "The statement was ended by its time limit",
    "The statement took longer than it may. Give its `where` an index, or raise source_limits.timeout_seconds.",
)
_COLLATE: Final = (
    "Texts of two collations are compared or joined: write COLLATE utf8mb4_bin, or another, after one of them."
)
_JSON: Final = "Some cell is not valid JSON: read only rows where JSON_VALID(...) is 1."
_VALUE: Final = "a text or value, of a cell or of the entry, is not one that the expression can take"
_ROWS: Final = "Look for the rows with a query of your own; values are not shown here."

_EXPIRED: Final = Refusal("The password of user{user} has expired", "Set a new one: ALTER USER ... IDENTIFIED BY ...")
_LOCKED: Final = Refusal("The account of user{user} is locked", "Unlock it: ALTER USER ... ACCOUNT UNLOCK")

REFUSALS: Final[Mapping[int, Refusal]] = {
    1038: Refusal(
        "Out of memory for sorting", "Raise sort_buffer_size on the server, or order by fewer or shorter columns."
    ),
    1044: Refusal(
        "Access denied for user{user} to the database",
        "Check DB_NAME, whose case counts on most servers, or grant SELECT on the database to DB_USER.",
    ),
    1045: Refusal(
        "Access denied for user{user}", "Check DB_USER and DB_PASSWORD, and from which hosts that user may connect."
    ),
    1046: Refusal("No database is selected", "Set DB_NAME."),
    1049: Refusal("Unknown database{name}", "Check DB_NAME, whose case counts on most servers."),
    1052: Refusal(
        "Column{name} is in more than one table, and it is not said in which", "Write the table's name before it."
    ),
    1054: Refusal(
        "Unknown column{name}",
        "A column in the entry is not (or no longer) in the table: compare the entry with SHOW COLUMNS.",
    ),
    1055: Refusal("Column{name} is neither grouped nor aggregated", "Group by the column as well, or aggregate it."),
    1056: Refusal("Cannot group by{name}", "Group by columns; aggregates belong into aggregations."),
    1060: Refusal("Duplicate column name{name}", "Give one of them another alias."),
    1062: Refusal("Two rows have the same key in a table that the server made for the statement", _ROWS),
    1064: Refusal(
        "You have an error in your SQL syntax{near}",
        "The server does not understand an expression of the entry; its syntax may be another version's.",
    ),
    1066: Refusal("Table or alias{name} is there twice", "Give one of them another alias."),
    1105: Refusal("An expression failed on some row, of which the server says only in which words", _ROWS),
    1109: Refusal("Unknown table{name} before a column", "Check the names before the dots."),
    1111: Refusal("Invalid use of group function", "An aggregate is used where there are no groups, as in `where`."),
    1115: Refusal("Unknown character set{name}"),
    1128: Refusal("Function{name} is not defined"),
    1129: Refusal("This machine is blocked after many broken connections", "Run FLUSH HOSTS on the server."),
    1130: Refusal("No user may connect from this machine", "Create DB_USER for the address of this machine."),
    1139: Refusal(
        "The server does not accept a regular expression",
        "If a column is the pattern, each of its cells has to be a valid one.",
    ),
    1140: Refusal(
        "An aggregate is selected together with a column that is not grouped", "Group by the column, or aggregate it."
    ),
    1142: Refusal("SELECT is denied on table{name}", "Grant SELECT on the table to DB_USER."),
    1143: Refusal("SELECT is denied on column{name}", "Grant SELECT on the column to DB_USER."),
    1146: Refusal("Table{name} doesn't exist", "Check the entry's `table` and DB_NAME."),
    1176: Refusal("There is no index{name} in the table", "Correct the entry's `hints`; a view takes no index hint."),
    1193: Refusal("Unknown system variable{name}"),
    1222: Refusal("The SELECTs of a UNION have different numbers of columns"),
    1226: Refusal(
        "User{user} has used up what its account may do",
        "Wait, or raise MAX_USER_CONNECTIONS and the like for DB_USER.",
    ),
    1227: Refusal("Access denied; DB_USER lacks a privilege of the server for this"),
    1235: Refusal("This version of the server does not support an expression of the entry"),
    1238: Refusal("Variable{name} cannot be set"),
    1241: Refusal("An operand has the wrong number of columns", "Give a sub-select one column."),
    1242: Refusal("A sub-select gives more than one row", "Aggregate in it, or write LIMIT 1."),
    1247: Refusal("Reference{name} is not supported here"),
    1253: Refusal("The collation{name} does not belong to the text's character set"),
    1260: Refusal("A value was cut by GROUP_CONCAT()", "Raise max_allowed_packet on the server, or join less."),
    1264: Refusal("Out of range value{column}", _ROWS),
    1265: Refusal("Data truncated{column}", _ROWS),
    1267: Refusal("Illegal mix of collations", _COLLATE),
    1270: Refusal("Illegal mix of collations", _COLLATE),
    1271: Refusal("Illegal mix of collations", _COLLATE),
    1273: Refusal("Unknown collation{name}"),
    1292: Refusal(f"Truncated or incorrect{{type}} value: {_VALUE}", _ROWS),
    1300: Refusal("A text holds bytes that its character set has not", "Repair the rows, or select HEX(...)."),
    1301: Refusal(
        "A result was larger than max_allowed_packet, and was dropped", "Raise max_allowed_packet on the server."
    ),
    1305: Refusal("FUNCTION{name} does not exist", "The server has no such function."),
    1317: Refusal("The statement was interrupted", "Somebody killed the statement."),
    1318: Refusal("Function{name} is called with the wrong number of arguments"),
    1356: Refusal(
        "View{name} references invalid table(s) or column(s) or function(s), or its definer or invoker lacks rights to"
        " use them",
        "The view itself is broken: what it reads was renamed or dropped, or its definer lost a right. Mend it (SHOW"
        " CREATE VIEW).",
    ),
    1365: Refusal("Division by 0", "Divide by NULLIF(..., 0)."),
    1366: Refusal("Incorrect{type} value{column}: " + _VALUE, _ROWS),
    1370: Refusal(
        "EXECUTE is denied on routine{name}",
        "Check the function's name (the server says the same of one that there is not), or grant EXECUTE on it to"
        " DB_USER.",
    ),
    1406: Refusal("Data too long{column}", _ROWS),
    1411: Refusal(f"Incorrect{{type}} value for a function: {_VALUE}", _ROWS),
    1412: Refusal(
        "The definition of table{name} changed after the snapshot began", "Nothing was read wrong: run it again."
    ),
    1441: Refusal("A date or time of a function is out of range", _ROWS),
    1449: Refusal(
        "The definer does not exist",
        "The view's or the function's definer is gone: create that account, or the view, anew.",
    ),
    1524: Refusal(
        "Plugin{name} is not loaded",
        "MySQL 9 has no mysql_native_password: ALTER USER ... IDENTIFIED WITH caching_sha2_password BY '...' for"
        " DB_USER.",
    ),
    1525: Refusal(f"Incorrect{{type}} value: {_VALUE}", _ROWS),
    1582: Refusal("Incorrect parameter count in the call of function{name}"),
    1583: Refusal("Incorrect parameters in the call of function{name}"),
    1630: Refusal("FUNCTION{name} does not exist", "No blank may stand between a function's name and its bracket."),
    1644: Refusal(
        "A stored function or a trigger raised an error of its own (SIGNAL)",
        "Its words may hold values, so they are not shown; read its source.",
    ),
    1645: Refusal("A stored function raised an error again that it does not handle (RESIGNAL)"),
    1690: Refusal(
        "{Type}value is out of range",
        "Write CAST(... AS DECIMAL(65)) around a part of it, or AS SIGNED where columns that are UNSIGNED are"
        " subtracted.",
    ),
    1792: Refusal(
        "Cannot execute the statement in a READ ONLY transaction",
        "Exports run in a read-only transaction: an expression of the entry calls something that writes.",
    ),
    1820: _EXPIRED,
    1862: _EXPIRED,
    1916: Refusal("Got overflow when converting a value", _ROWS),
    1931: Refusal("The server ended the query early, and the result may be incomplete"),
    1969: _TOO_LONG,
    2020: Refusal("A row is larger than the driver or the server accepts", "Raise max_allowed_packet on the server."),
    2027: Refusal(
        "A packet is not as MySQL's protocol has it", "A proxy in between may do this: connect to the database itself."
    ),
    3024: _TOO_LONG,
    3037: Refusal("A function was given invalid GIS data", _ROWS),
    3118: _LOCKED,
    3140: Refusal("Invalid JSON text", _JSON),
    3141: Refusal("Invalid JSON text in the argument of a function", _JSON),
    3143: Refusal("Invalid JSON path"),
    3146: Refusal("A JSON function was called with data of the wrong type", _JSON),
    4012: Refusal(
        "The statement was ended by its time limit, or its transaction by ob_trx_timeout",
        "The statement took longer than it may. Give its `where` an index, or raise source_limits.timeout_seconds, and"
        " ob_trx_timeout if DB_USER may not.",
    ),
    4151: _LOCKED,
}
OTHER_REFUSAL: Final = Refusal(
    "its words may hold values of cells, so they are not shown",
    "Run the statement in a client of the server to read them; `aggregation-pipeline plan` prints it.",
)

_TYPES: Final = (
    "bigint|bigint unsigned|binary|bit|boolean|char|date|datetime|decimal|double|float|inet|inet4|inet6|int|integer"
    "|interval|json|mediumint|numeric|real|signed integer|smallint|string|time|timestamp|tinyint|unsigned integer|utf8"
    "|utf8mb3|utf8mb4|uuid|year"
)
TYPES: Final = frozenset(_TYPES.split("|"))
# Authentication plugins: names that are never the value of a cell.
_PLUGINS: Final = (
    "mysql_native_password caching_sha2_password sha256_password auth_socket unix_socket ed25519 client_ed25519"
)
PLUGINS: Final = tuple(_PLUGINS.split())
# The words that MySQL's notes on deprecated syntax consist of.
_DEPRECATION: Final = (
    "a alias an and as be been but by character charset collation currently deprecated display for future has in"
    " instead integer is it of or please release removed replaced set supported synonym the this use using utf8 utf8mb3"
    " utf8mb4 utf8_general_ci utf8mb3_general_ci utf8mb3_bin utf8mb3_unicode_ci width will with xor not"
    " sql_calc_found_rows found_rows national nchar nvarchar password old_password encode decode encrypt des_encrypt"
    " des_decrypt aes_encrypt"
)
DEPRECATION: Final = frozenset(_DEPRECATION.split())
