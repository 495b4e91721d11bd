"""The cases of `test_every_expression`: column types with values, and functions."""

from collections.abc import Sequence

# The type of each column, and four values in no particular order.
TYPES: dict[str, tuple[str, Sequence[str]]] = {
    "tiny1": ("TINYINT(1)", ("1", "-128", "0", "127")),
    "tiny_u": ("TINYINT UNSIGNED", ("49", "255", "0", "128")),
    "small": ("SMALLINT", ("7", "-32768", "0", "32767")),
    "medium_u": ("MEDIUMINT UNSIGNED", ("7", "16777215", "0", "48")),
    "int": ("INT", ("7", "-2147483648", "0", "2147483647")),
    "int_u": ("INT UNSIGNED", ("7", "4294967295", "0", "48")),
    "big": ("BIGINT", ("9007199254740993", "-9223372036854775808", "0", "48")),
    "big_u": ("BIGINT UNSIGNED", ("9007199254740993", "18446744073709551615", "0", "48")),
    "filled": ("INT(8) ZEROFILL", ("42", "7", "0", "12345678")),
    "money": ("DECIMAL(10,2)", ("10.50", "-99999999.99", "0.01", "0")),
    "wide": ("DECIMAL(38,10)", ("1.0000000001", "-1234567890123456789012345678.0123456789", "0.5", "0")),
    "widest": (
        "DECIMAL(65,30)",
        ("0.000000000000000000000000000001", "-12345678901234567890123456789012345", "0.5", "0"),
    ),
    "whole_u": ("DECIMAL(20,0) UNSIGNED", ("99999999999999999999", "1", "0", "48")),
    "float": ("FLOAT", ("0.1", "-16777217", "0.5", "1234567.9")),
    "float_md": ("FLOAT(10,2)", ("1234567.89", "-0.1", "0.5", "99999999.99")),
    "double": ("DOUBLE", ("0.1", "-1e22", "5e-324", "0.30000000000000004")),
    "double_md": ("DOUBLE(16,3)", ("0.1", "-1234567890123.457", "0.5", "2.001")),
    "bit1": ("BIT(1)", ("b'1'", "b'0'", "b'1'", "b'0'")),
    "bit8": ("BIT(8)", ("b'110001'", "b'0'", "b'11111111'", "b'1010'")),
    "bit13": ("BIT(13)", ("b'1000000000001'", "b'0'", "b'11111'", "b'11000100110001'>>1")),
    "bit64": ("BIT(64)", ("~0", "b'0'", "1 << 63", "49")),
    "day": ("DATE", ("'2026-11-20'", "'1000-01-01'", "'9999-12-31'", "'2024-02-29'")),
    "clock": (
        "DATETIME",
        ("'2026-11-20 14:00:00'", "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'", "'2024-02-29 00:00:00'"),
    ),
    "micros": (
        "DATETIME(6)",
        ("'2026-11-20 14:00:00.000001'", "'1969-12-31 23:59:59.999999'", "'2026-01-01'", "'2024-02-29 01:02:03.5'"),
    ),
    "stamp": (
        "TIMESTAMP NULL",
        ("'2026-11-20 14:00:00'", "'1999-01-01 00:00:00'", "'2037-12-31 23:59:59'", "'2024-02-29 00:00:00'"),
    ),
    "stamp3": (
        "TIMESTAMP(3) NULL",
        ("'2026-11-20 14:00:00.001'", "'1999-01-01'", "'2037-12-31 23:59:59.999'", "'2024-02-29 01:02:03.5'"),
    ),
    "time": ("TIME", ("'-838:59:59'", "'838:59:59'", "'00:00:00'", "'12:34:56'")),
    "time6": ("TIME(6)", ("'-00:00:00.000001'", "'25:00:00.5'", "'00:00:00'", "'12:34:56.7'")),
    "year": ("YEAR", ("2026", "1901", "2155", "0")),
    "char": ("CHAR(20)", ("'中文 x '", "'a'", "''", "'ß'")),
    "text": ("VARCHAR(50)", ("'你好，世界😀'", "'a\\tb\\nc\\\\\\\\d'", "''", "'Zürich'")),
    "bin_text": ("VARCHAR(50) COLLATE utf8mb4_bin", ("'b'", "'B'", "''", "'é'")),
    "long": ("LONGTEXT", ("REPEAT('很', 3000)", "'a'", "''", "'b'")),
    "binary": ("BINARY(4)", ("x'00ff1a0d'", "'a'", "''", "x'31'")),
    "varbinary": ("VARBINARY(20)", ("x'00ff1a0d0a09'", "'a'", "''", "x'31'")),
    "blob": ("BLOB", ("REPEAT(x'ff', 2000)", "'a'", "''", "x'31'")),
    "enum": ("ENUM('b','a','贰','')", ("'贰'", "'a'", "''", "'b'")),
    "set": ("SET('b','a','贰')", ("'b,贰'", "'a'", "''", "'a,贰'")),
    "json": ("JSON", ('\'{"键": [1, 2.50, "😀"]}\'', "'null'", "'[]'", "'\"x\"'")),
    "shape": ("GEOMETRY", ("ST_GeomFromText('POINT(1 2)')", "ST_GeomFromText('POINT(0 0)')") * 2),
}
SAMPLE = ("tiny1", "big_u", "money", "float", "bit1", "bit64", "stamp", "time", "year", "text", "varbinary", "enum")
# The group of each row: one of values, one of values and NULL, one of NULL.
GROUPS = (1, 1, 1, 2, 2, 3)

SCALARS = (
    "{c}",
    "IF(id > 2, {c}, NULL)",
    "IF(id > 2, {c}, {c})",
    "CASE WHEN id > 2 THEN {c} END",
    "CASE id WHEN 1 THEN {c} ELSE {c} END",
    "COALESCE({c}, {c})",
    "COALESCE({c}, 0)",
    "IFNULL({c}, {c})",
    "IFNULL(NULL, {c})",
    "NULLIF({c}, 'zzz')",
    "GREATEST({c}, {c})",
    "LEAST({c}, {c})",
    "(SELECT u.{c} FROM t u WHERE u.id = t.id)",
    "(SELECT MAX(u.{c}) FROM t u WHERE u.g = t.g)",
    "{c} + 0",
    "-{c}",
    "{c} * 1.5",
    "{c} | 0",
    "~{c}",
    "{c} << 1",
    "{c} = {c}",
    "NOT {c}",
    "CONCAT({c})",
    "CONCAT({c}, '')",
    "REPLACE({c}, 'zzz', '')",
    "LENGTH({c})",
    "HEX({c})",
    "ROUND({c}, 1)",
    "ABS({c})",
    "CAST({c} AS CHAR)",
    "CAST({c} AS BINARY)",
    "CAST({c} AS DATE)",
    "CAST({c} AS DECIMAL(65,2))",
    "CAST({c} AS UNSIGNED)",
    "DATE({c})",
    "ELT(1, {c})",
    "MD5({c})",
)
# Written as `expr`. For those that an entry names as `function` see `figures_of`.
AGGREGATES = (
    "MAX(IF(id > 2, {c}, NULL))",
    "MAX(CASE WHEN id > 2 THEN {c} END)",
    "MIN(COALESCE({c}, {c}))",
    "MAX({c} + 0)",
    "MAX(CONCAT({c}))",
    "COALESCE(MAX({c}), 0)",
    "COALESCE(MAX({c}), MIN({c}))",
    "IFNULL(MAX({c}), MIN({c}))",
    "IF(COUNT(*) > 1, MAX({c}), MIN({c}))",
    "CASE WHEN COUNT(*) > 1 THEN MAX({c}) END",
    "NULLIF(MAX({c}), 'zzz')",
    "GREATEST(MAX({c}), MIN({c}))",
    "LEAST(MAX({c}), MIN({c}))",
    "(SELECT MAX(u.{c}) FROM t u)",
    "CONCAT(MAX({c}))",
    "MAX({c}) + 0",
    "MAX({c}) = MIN({c})",
    "SUM({c} + 0)",
    "SUM({c} IS NULL)",
    "SUM(DISTINCT {c})",
    "AVG({c} * 2)",
    "BIT_AND({c})",
    "BIT_OR({c})",
    "BIT_XOR({c})",
    "STDDEV_SAMP({c})",
    "VAR_SAMP({c})",
)
TEMPORARY = (
    "COUNT(DISTINCT {c})",
    "GROUP_CONCAT({c} ORDER BY {c})",
    "GROUP_CONCAT(DISTINCT {c} ORDER BY {c} SEPARATOR '|')",
)

# Declared by the server with a narrower type than the values that it sends. Refused, since a file has its types first.
REFUSED: dict[str, dict[str, tuple[str, ...]]] = {
    # UNSIGNED values declared as signed.
    "mysql56": {
        "IFNULL(NULL, {c})": ("tiny_u", "int_u"),
        "GREATEST({c}, {c})": ("tiny_u", "int_u"),
        "LEAST({c}, {c})": ("tiny_u", "int_u"),
        "GREATEST(MAX({c}), MIN({c}))": ("tiny_u", "int_u"),
        "LEAST(MAX({c}), MIN({c}))": ("tiny_u",),
    },
    # Declared with the display width of TINYINT(1).
    "seekdb": {"AVG({c})": ("tiny1",)},
}
