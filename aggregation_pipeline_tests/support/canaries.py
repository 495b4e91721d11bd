"""Canaries: values of cells that show in an error if it quotes a cell, and the SQL that makes servers quote them."""

from typing import Final

# Letters and digits that occur in no text of this project. Four of them in a row, anywhere, are a leak.
CORES: Final = ("Qzxwvkj", "Vbqkzj", "73919371408", "猫鸟鱼虫兽", "🦄🐙🦑🦐🦀")
_Q, _V, _N, _C, _E = CORES
CELLS: Final = (
    f"O'{_Q} 138{_N}",
    f'{_Q}" says "{_V}',
    f"''{_Q}''{_V}'",
    f"`{_Q}`.`{_V}`",
    f"near '{_Q}' at line 1",
    f"{_Q}\n{_V}\r\n{_N}",
    f"{_Q}' for column `{_V}`.`v` at row 1",
    f"id {_Q} v {_N}",
    f"v' for column '{_Q}",
    f"Unknown column '{_Q}' in 'field list'",
    f"{_E}{_C}",
    f"{_Q}\0{_V}",
    f"\\{_Q}\\'{_V}\\",
    f'{{"{_Q}": [{_N}',
    f"[{_Q}(",
    f"<a>{_Q}</b>",
    f"2026-13-45 {_N}",
    f"{_N}{_N}",
    f"POLYGON(({_N} {_Q}",
    f"{_Q} is deprecated and will be removed in a future release",
    f"{_Q}",
)
# Stored functions that raise an error, or a warning, with a cell as its text, under these numbers of errors.
NUMBERS: Final = (
    1030,
    1044,
    1054,
    1055,
    1064,
    1105,
    1146,
    1205,
    1267,
    1287,
    1292,
    1305,
    1356,
    1366,
    1370,
    1644,
    1690,
    2013,
    3141,
    5000,
)
FUNCTIONS: Final = tuple(
    f"CREATE FUNCTION say_{number}(s TEXT) RETURNS INT NO SQL BEGIN DECLARE t VARCHAR(128); SET t = LEFT(s, 100); "
    f"SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = t; RETURN 1; END"
    for number in NUMBERS
    for state in ["45000"]
) + tuple(
    f"CREATE FUNCTION warn_{number}(s TEXT) RETURNS INT NO SQL BEGIN DECLARE t VARCHAR(128); SET t = LEFT(s, 100); "
    f"SIGNAL SQLSTATE '01000' SET MYSQL_ERRNO = {number}, MESSAGE_TEXT = t; RETURN 1; END"
    for number in (1287, 1292, 1365, 1681, 3719, 4095)
)
TABLE: Final = (
    "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(200) CHARACTER SET utf8mb4, n BIGINT, u BIGINT UNSIGNED, f DOUBLE, d"
    " DECIMAL(60,10))"
)
EXPRESSIONS: Final = (
    "CAST(v AS SIGNED)",
    "CAST(v AS UNSIGNED)",
    "CAST(v AS DECIMAL(5,2))",
    "CAST(v AS DATE)",
    "CAST(v AS DATETIME)",
    "CAST(v AS TIME)",
    "CAST(v AS JSON)",
    "CAST(v AS CHAR(3))",
    "CAST(n AS CHAR(2))",
    "CAST(d AS DECIMAL(3,1))",
    "CONVERT(v, SIGNED)",
    "CONVERT(v USING latin1)",
    "CONVERT(v USING ascii)",
    "v + 0",
    "v * 1.5",
    "-v",
    "v AND 1",
    "v | 1",
    "v << 2",
    "n + n + n",
    "n * n",
    "u - u - 1",
    "u - n - u",
    "f * f",
    "EXP(f)",
    "d * d * d",
    "POW(f, 3)",
    "n DIV 0",
    "v / 0",
    "MOD(v, 7)",
    "ABS(n - u)",
    "ROUND(v)",
    "CONV(v, 36, 10)",
    "HEX(v + 1)",
    "ELT(v, 'a')",
    "EXTRACTVALUE(v, '//a')",
    "EXTRACTVALUE('<a/>', v)",
    "UPDATEXML(v, '//a', 'b')",
    "UPDATEXML('<a/>', v, 'b')",
    "JSON_EXTRACT(v, '$')",
    "JSON_EXTRACT('{}', v)",
    "JSON_UNQUOTE(v)",
    "JSON_VALUE(v, '$.a')",
    "JSON_LENGTH(v)",
    "JSON_KEYS(v)",
    "JSON_CONTAINS(v, '1')",
    "JSON_SEARCH(v, v, 'a')",
    "JSON_MERGE(v, v)",
    "JSON_SET(v, v, 1)",
    "'a' REGEXP v",
    "REGEXP_REPLACE('a', v, 'b')",
    "REGEXP_SUBSTR('a', v)",
    "STR_TO_DATE(v, '%Y-%m-%d')",
    "STR_TO_DATE('2026-01-01', v)",
    "DATE(v)",
    "DATE_ADD(v, INTERVAL 1 DAY)",
    "DATE_ADD('9999-12-31', INTERVAL n DAY)",
    "DATE_ADD('2026-01-01', INTERVAL v DAY)",
    "DATEDIFF(v, v)",
    "UNIX_TIMESTAMP(v)",
    "FROM_UNIXTIME(v)",
    "TIMESTAMPDIFF(SECOND, v, v)",
    "MAKETIME(v, 1, 1)",
    "SEC_TO_TIME(n)",
    "ADDTIME(v, v)",
    "YEAR(v)",
    "CONVERT_TZ(v, v, 'UTC')",
    "TIMESTAMP(v)",
    "INET_ATON(v)",
    "INET6_ATON(v)",
    "UUID_TO_BIN(v)",
    "BIN_TO_UUID(v)",
    "UNHEX(v)",
    "FROM_BASE64(v)",
    "UNCOMPRESS(v)",
    "ST_GeomFromText(v)",
    "ST_AsText(ST_GeomFromText(v))",
    "ST_GeomFromWKB(v)",
    "GeomFromText(v)",
    "CHAR(n USING utf8mb4)",
    "CHAR(u USING utf8mb4)",
    "v = CONVERT('x' USING latin1) COLLATE latin1_bin",
    "CONCAT(v, CONVERT('ü' USING latin1) COLLATE latin1_german1_ci) = v COLLATE utf8mb4_bin",
    "(SELECT v FROM t)",
    "(SELECT v FROM t AS s WHERE s.id <= t.id)",
    "(SELECT x.v FROM (SELECT v FROM t) AS x WHERE x.w = 1)",
    "COLUMN_GET(v, 'a' AS CHAR)",
    "NAME_CONST(v, 1)",
    "AES_DECRYPT(v, v)",
    "DATE_FORMAT(v, '%Y')",
    "WEEK(v)",
    "PERIOD_ADD(v, 1)",
    "INTERVAL(v, 1, 2)",
    "BIT_COUNT(v)",
    "TRUNCATE(v, 1)",
    "SUBSTRING(v, v)",
    "REPEAT(v, n)",
    "LPAD(v, n, 'x')",
    "FORMAT(v, 2)",
    "CRC32(v) + v",
    "id IN (v, 1)",
    "id BETWEEN v AND v",
    "CASE v WHEN 1 THEN 2 END",
    "GREATEST(id, v)",
    "IF(v, 1, 2)",
    "IF(id = 1, 1, v) + 0",
    "TO_DAYS(v)",
    "LAST_DAY(v)",
    "TIME_TO_SEC(v)",
    *(f"say_{number}(v)" for number in NUMBERS),
    "warn_1287(v)",
    "warn_1292(v)",
    "warn_1365(v)",
    "warn_1681(v)",
    "warn_3719(v)",
    "warn_4095(v)",
)
PIECE: Final = 4
# Logs and events are full of times, ports and ids, which have four of the digits in a row by chance.
DIGITS_AMONG_CLOCKS: Final = 8


def pieces_in(text: str, *, digits: int = PIECE) -> list[str]:
    """Return the pieces of canaries in a text, also those escaped by JSON or repr(); a piece has `digits` digits."""
    seen = (text + text.encode("utf-8", "replace").decode("unicode_escape", "replace")).casefold()
    sizes = {core: digits if core.isdigit() else PIECE for core in CORES}
    pieces = (core[at : at + size] for core, size in sizes.items() for at in range(len(core) - size + 1))
    return [piece for piece in pieces if piece.casefold() in seen]
