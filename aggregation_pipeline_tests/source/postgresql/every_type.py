"""Columns of each type of PostgreSQL 14 to 18, with its extremes, as literals of SQL."""

from typing import Final

# Types of the tests' own.
PRELUDE: Final = (
    "CREATE TYPE mood AS ENUM ('sad', 'ok, ''fine''')",
    "CREATE TYPE pair AS (a int, b text)",
    "CREATE DOMAIN cents AS numeric(12,3) CHECK (VALUE > -100)",
    "CREATE DOMAIN email AS text",
    "CREATE TYPE floatrange AS RANGE (subtype = float8)",
)
# What a date or timestamp can hold and no calendar has, and a day between.
_BEYOND: Final = ("'infinity'", "'-infinity'", "'0044-03-15 BC'", "'10000-01-02'", "'2026-11-20'")
_FRACTION: Final = "'2026-11-20 14:00:00.123456'"
# Name, type, values.
NATIVE: Final = (
    ("boolean_", "boolean", ("true", "false")),
    ("smallint_", "smallint", ("-32768", "32767", "0")),
    ("integer_", "integer", ("-2147483648", "2147483647", "0")),
    ("bigint_", "bigint", ("-9223372036854775808", "9223372036854775807", "0")),
    ("bigint_15", "bigint", ("-999999999999999", "999999999999999", "0")),
    ("bigint_53", "bigint", ("-9007199254740991", "9007199254740991", "9007199254740990")),
    ("oid_", "oid", ("0", "4294967295")),
    ("real_", "real", ("0.1", "3.4028235e38", "1e-45", "-0", "'NaN'", "'Infinity'", "'-Infinity'")),
    ("real_finite", "real", ("0.1", "-3.4028235e38", "1e-45", "16777216", "0")),
    ("double_", "double precision", ("0.1", "1.7976931348623157e308", "5e-324", "'NaN'", "'Infinity'", "'-Infinity'")),
    ("double_finite", "double precision", ("0.30000000000000004", "-1.7976931348623157e308", "5e-324", "1e20", "-0")),
    ("numeric_10_2", "numeric(10,2)", ("-99999999.99", "0", "10.5")),
    ("numeric_15_4", "numeric(15,4)", ("-99999999999.9999", "99999999999.9999", "0.0001")),
    ("numeric_38", "numeric(38,19)", ("-9999999999999999999.9999999999999999999", "0.0000000000000000001", "0")),
    ("numeric_76", "numeric(76,10)", ("1.5", "123456789012345678901234567890123456789012345678901234567890123456")),
    ("numeric_whole", "numeric(15)", ("-999999999999999", "0")),
    ("numeric_negative", "numeric(3,-2)", ("12300", "-99900")),
    ("numeric_small", "numeric(3,5)", ("0.00123", "-0.00999")),
    ("domain_numeric", "cents", ("12.345", "-99.999")),
    ("text_", "text", ("''", "'中文 😀'", "E'line\\nfeed\\ttab'", "'=1+1'", "'quote '' and \" and \\'", "'NULL'")),
    (
        "text_odd",
        "text",
        (r"E'\r\n'", r"E'\x01\x1b'", "'_x0041_'", "'''=1'", "'+86 138'", "'-1'", r"E'\uffff'", "'  '"),
    ),
    ("text_long", "text", ("repeat('中', 32767)", "repeat('long', 8000)")),
    ("varchar_", "varchar(20)", ("'abc'", "'trailing  '", "''")),
    ("char_", "char(5)", ("'ab'", "'abcde'", "''")),
    ("domain_text", "email", ("'a@example.com'",)),
    ("bytea_", "bytea", ("'\\x00ff'", "''", "'text'")),
    ("date_", "date", ("'0001-01-01'", "'1900-02-28'", "'1900-03-01'", "'2026-11-20'", "'9999-12-31'")),
    ("date_beyond", "date", _BEYOND),
    ("timestamp_", "timestamp", ("'0001-01-01'", _FRACTION, "'9999-12-31 23:59:59.999999'")),
    *(
        (f"timestamp_{n}", f"timestamp({n})", (_FRACTION, "'1969-12-31 23:59:59.999'", "'0001-01-01'"))
        for n in range(7)
    ),
    ("timestamp_beyond", "timestamp", _BEYOND),
    (
        "timestamptz_",
        "timestamptz",
        (
            *("'1970-01-01 00:00:00+00'", "'2026-11-20 23:30:00.5+08'", "'1883-01-01 00:00+00'"),
            *("'1986-05-04 03:30+09'", "'0001-01-02 00:00+00'", "'9999-12-31 23:59:59.999999+08'"),
        ),
    ),
    *((f"timestamptz_{n}", f"timestamptz({n})", (_FRACTION, "'1969-12-31 23:59:59.999Z'")) for n in range(7)),
    ("timestamptz_beyond", "timestamptz", _BEYOND),
)
# Sent as text: what the server makes of them with ::text.
AS_TEXT: Final = (
    ("numeric_", "numeric", ("1.10", "'NaN'", "'Infinity'", "'-Infinity'", "1e30", "0.00000001")),
    ("numeric_wide", "numeric(100,5)", ("1.5",)),
    ("money_", "money", ("12.34", "-1234567.89")),
    ("time_", "time", ("'24:00'", "'14:00:00.123456'", "'00:00'")),
    ("timetz_", "timetz", ("'14:00:00+08'", "'24:00:00-07:30'")),
    ("interval_", "interval", ("'1 year 2 mons -3 days 04:05:06.789'", "'-1 day'", "'0'")),
    ("inet_", "inet", ("'192.168.0.1/24'", "'::1'")),
    ("cidr_", "cidr", ("'10.0.0.0/8'", "'2001:db8::/32'")),
    ("macaddr_", "macaddr", ("'08:00:2b:01:02:03'",)),
    ("macaddr8_", "macaddr8", ("'08:00:2b:01:02:03:04:05'",)),
    ("bit_", "bit(5)", ("B'10101'",)),
    ("varbit_", "varbit(8)", ("B'101'", "B''")),
    ("uuid_", "uuid", ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",)),
    ("json_", "json", ('\'{"b": 1,  "a": [1, "\\u4e2d"]}\'', "'null'")),
    ("jsonb_", "jsonb", ('\'{"b": 1,  "a": [1.10, "中"]}\'', "'[]'")),
    ("jsonpath_", "jsonpath", ("'$.a[*] ? (@ > 1)'",)),
    ("int_array", "int[]", ("'{1,NULL,3}'", "'{{1,2},{3,4}}'", "'{}'")),
    ("text_array", "text[]", ("ARRAY['a,b', 'c\"d', NULL, '']",)),
    ("numeric_array", "numeric(10,2)[]", ("'{1.5,NaN}'",)),
    ("enum_", "mood", ("'sad'", "'ok, ''fine'''")),
    ("enum_array", "mood[]", ("'{sad}'",)),
    ("composite_", "pair", ("ROW(1, 'x, \"y\"')", "ROW(NULL, '')")),
    ("int4range_", "int4range", ("'[1,5)'", "'empty'")),
    ("int8range_", "int8range", ("'(,5]'",)),
    ("numrange_", "numrange", ("'[1.10,2.5]'",)),
    ("tsrange_", "tsrange", ("'[2026-01-01,2026-01-02)'",)),
    ("tstzrange_", "tstzrange", ("'[2026-01-01 00:00+00,infinity)'",)),
    ("daterange_", "daterange", ("'[2026-01-01,2026-02-01)'",)),
    ("floatrange_", "floatrange", ("'[0.1,0.2)'",)),
    ("int4multirange_", "int4multirange", ("'{[1,2),[5,8)}'", "'{}'")),
    ("nummultirange_", "nummultirange", ("'{[1.5,2]}'",)),
    ("datemultirange_", "datemultirange", ("'{[2026-01-01,2026-01-03)}'",)),
    ("tsmultirange_", "tsmultirange", ("'{[2026-01-01,2026-01-02)}'",)),
    ("tstzmultirange_", "tstzmultirange", ("'{[2026-01-01 00:00+00,2026-01-02 00:00+00)}'",)),
    ("int8multirange_", "int8multirange", ("'{[1,2)}'",)),
    ("point_", "point", ("'(0.1,-2)'",)),
    ("line_", "line", ("'{1,2,3}'",)),
    ("lseg_", "lseg", ("'[(0,0),(1,1)]'",)),
    ("box_", "box", ("'(2,2),(0,0)'",)),
    ("path_", "path", ("'[(0,0),(1,1)]'", "'((0,0),(1,1))'")),
    ("polygon_", "polygon", ("'((0,0),(1,1),(1,0))'",)),
    ("circle_", "circle", ("'<(0,0),1.5>'",)),
    ("tsvector_", "tsvector", ("'fat:2 cat:3A'",)),
    ("tsquery_", "tsquery", ("'fat & (rat | cat)'",)),
    ("name_", "name", ("'a name'",)),
    ("internal_char", '"char"', ("'x'", "''")),
    ("pg_lsn_", "pg_lsn", ("'16/B374D848'",)),
    ("xid_", "xid", ("'4294967295'",)),
    ("xid8_", "xid8", ("'18446744073709551615'",)),
    ("cid_", "cid", ("'7'",)),
    ("tid_", "tid", ("'(1,2)'",)),
    ("pg_snapshot_", "pg_snapshot", ("'10:20:10,14,15'",)),
    ("txid_snapshot_", "txid_snapshot", ("'10:20:10,14,15'",)),
    ("regclass_", "regclass", ("'pg_class'",)),
    ("regtype_", "regtype", ("'integer'",)),
    ("regproc_", "regproc", ("'now'",)),
    ("regnamespace_", "regnamespace", ("'public'",)),
    ("regrole_", "regrole", ("'postgres'",)),
    ("regcollation_", "regcollation", ("'\"C\"'",)),
    ("regconfig_", "regconfig", ("'english'",)),
    ("regdictionary_", "regdictionary", ("'simple'",)),
    ("regoper_", "regoperator", ("'+(integer,integer)'",)),
    ("regprocedure_", "regprocedure", ("'lower(text)'",)),
    ("int2vector_", "int2vector", ("'1 2'",)),
    ("oidvector_", "oidvector", ("'1 2'",)),
    ("refcursor_", "refcursor", ("'c1'",)),
    ("aclitem_", "aclitem", ("'postgres=r/postgres'",)),
)
# Where the server was built with libxml, which the embedded one was not.
XML: Final = (("xml_", "xml", ("'<a b=\"1\">x &amp; 中</a>'", "'text only'", "''", "'<?xml version=\"1.0\"?><a/>'")),)


def create_table(name: str, columns: tuple[tuple[str, str, tuple[str, ...]], ...]) -> list[str]:
    """The statements that make a table with these columns, with as many rows as values, and a row of NULLs."""
    declared = ", ".join(f"{column} {kind}" for column, kind, _ in columns)
    rows = []
    for number in range(1 + max(len(values) for *_, values in columns)):
        cells = [values[number] if number < len(values) else "NULL" for *_, values in columns]
        rows.append(f"({number}, {', '.join(cells)})")
    return [f"CREATE TABLE {name} (id int PRIMARY KEY, {declared})", f"INSERT INTO {name} VALUES {', '.join(rows)}"]
