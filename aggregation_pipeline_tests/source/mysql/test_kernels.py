"""The kernels and their twins in numpy and Arrow give the same, of sound bytes and of damaged ones."""

import contextlib
import struct
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from unittest.mock import patch
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pymysql
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymysql.constants import FIELD_TYPE, FLAG

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.native.kernels import COMPILED, compiled
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql import blocks, cells, row_protocol
from aggregation_pipeline.source.mysql.arrow_types import BINARY_CHARSET, UNFIXED_SCALE, column_type
from aggregation_pipeline.source.mysql.blocks import PADDING, Block, find_cells
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.mysql.row_protocol import Field, packet_ends
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline_tests.source.mysql.test_arrow_types import EXTREMES
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE, ignore_progress, options_for, run_on
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = pytest.mark.skipif(not COMPILED, reason="the kernels were not built")

UTF8 = 45
# Lengths around those from which a length takes more bytes, and around those that are copied at once.
LENGTHS = st.sampled_from([0, 1, 12, 13, 15, 16, 17, 250, 251, 252, 255, 256, 65_535, 65_536, 70_000])
CELLS = st.none() | st.binary(max_size=40) | st.builds(lambda length: b"\xe9\x95\xbf" * length, LENGTHS)


@contextlib.contextmanager
def without_kernels() -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for module in (blocks, cells, row_protocol):
            stack.enter_context(patch.object(module, "COMPILED", new=False))
        yield


def encoded(cell: bytes | None) -> bytes:
    if cell is None:
        return b"\xfb"
    for most, mark, form in ((250, b"", "<B"), (0xFFFF, b"\xfc", "<H"), (0xFFFFFF, b"\xfd", "<I")):
        if len(cell) <= most:
            return mark + struct.pack(form, len(cell))[: 3 if mark == b"\xfd" else None] + cell
    return b"\xfe" + struct.pack("<Q", len(cell)) + cell


def packet(payload: bytes) -> bytes:
    return struct.pack("<I", len(payload)) + payload


def edges_of(payloads: Sequence[bytes]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.cumsum([0, *(4 + len(each) for each in payloads)], dtype=np.int64)


def block_of(rows: Sequence[Sequence[bytes | None]], columns: int) -> Block:
    payloads = [b"".join(map(encoded, row)) for row in rows]
    data = np.frombuffer(b"".join(map(packet, payloads)) + PADDING, np.uint8)
    return find_cells(data, edges_of(payloads), columns)


def places(payloads: Sequence[bytes], columns: int) -> object:
    data = np.frombuffer(b"".join(map(packet, payloads)) + PADDING, np.uint8)
    try:
        block = find_cells(data, edges_of(payloads), columns)
    except pymysql.err.InternalError as error:
        return error.args
    nulls = [None if each.nulls is None else each.nulls.tolist() for each in block.columns]
    return [(each.starts.tolist(), each.lengths.tolist()) for each in block.columns], nulls


@given(data=st.lists(st.binary(max_size=300).map(packet)).map(b"".join) | st.binary(max_size=60), at=st.data())
def test_packets_end_where_the_twin_says_however_they_are_cut(data: bytes, at: st.DataObject):
    cut = bytearray(data[: at.draw(st.integers(0, len(data)))])
    position = at.draw(st.integers(0, len(cut)))
    assert compiled.packet_ends(cut, position) == packet_ends(cut, position)


def test_a_packet_of_the_greatest_length_is_left_to_whoever_joins_it():
    data = bytearray(packet(b"abc") + b"\xff\xff\xff\x01" + bytes(0xFFFFFF) + packet(b"d"))
    for function in (packet_ends, compiled.packet_ends):
        assert function(data, 0) == struct.pack("<q", 7)


@given(rows=st.integers(1, 4).flatmap(lambda n: st.lists(st.tuples(*[CELLS] * n), min_size=1, max_size=8)))
def test_cells_are_where_the_twin_finds_them(rows: list[tuple[bytes | None, ...]]):
    payloads = [b"".join(map(encoded, row)) for row in rows]
    found = places(payloads, len(rows[0]))
    with without_kernels():
        assert places(payloads, len(rows[0])) == found
    block = block_of(rows, len(rows[0]))
    texts = [tuple(None if cell is None else cell.decode(errors="replace") for cell in row) for row in rows]
    assert block.texts() == texts


@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4),
    damage=st.lists(
        st.tuples(st.integers(0, 2**20), st.sampled_from([0, 1, 250, 251, 252, 253, 254, 255])), max_size=3
    ),
    columns=st.integers(1, 4),
    cut=st.integers(0, 30),
)
def test_damaged_rows_are_the_same_error_as_the_twins(
    rows: list[tuple[bytes | None, ...]], damage: list[tuple[int, int]], columns: int, cut: int
):
    payloads = [b"".join(map(encoded, row)) for row in rows]
    for place, byte in damage:
        payload = bytearray(payloads[place % len(payloads)])
        payload[place % len(payload)] = byte
        payloads[place % len(payloads)] = bytes(payload)
    payloads[-1] = payloads[-1][: max(0, len(payloads[-1]) - cut)]
    found = places(payloads, columns)
    with without_kernels():
        assert places(payloads, columns) == found


ODD = st.text("0123456789+-.: eEnaif/TZ", max_size=45).map(str.encode) | st.binary(max_size=12)
DIGITS = st.integers(-(2**65), 2**65) | st.sampled_from(
    [edge + step for bits in (7, 8, 15, 16, 31, 32, 63, 64) for edge in (2**bits, -(2**bits)) for step in (-1, 0, 1)]
)
INTEGERS = st.builds("{}{:0{}}".format, st.sampled_from(["", "", "", "-", "+", " "]), DIGITS, st.integers(1, 22))
DECIMALS = st.builds(
    "{}{}{}{}".format,
    *(st.sampled_from(["", "", "-", "+"]), st.integers(0, 10**40) | st.integers(0, 10**6)),
    *(st.sampled_from([".", ".", ".", ""]), st.text("0123456789", max_size=32)),
)
DAYS = st.dates(date.min, date.max).map(str) | st.sampled_from(
    ["0000-00-00", "2026-02-30", "2025-02-29", "1900-02-29", "2000-02-29", "0000-05-05", "2026-13-01", "10000-01-01"]
)
CLOCKS = st.datetimes().map(str) | st.builds(
    "{} {:02}:{:02}:{:02}{}".format,
    *(DAYS, st.integers(0, 25), st.integers(0, 61), st.integers(0, 61)),
    st.sampled_from(["", ".", ".5", ".123", ".000001", ".1234567"]),
)


def field(code: int, length: int = 20, scale: int = 0, *, flags: int = 0, charset: int = BINARY_CHARSET) -> Field:
    return Field("列", code, flags, charset, length, scale)


INTEGER_CODES = (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG)
COLUMNS: dict[str, tuple[Sequence[Field], st.SearchStrategy[str]]] = {
    "integers": ([field(code, flags=sign) for code in INTEGER_CODES for sign in (0, FLAG.UNSIGNED)], INTEGERS),
    "year": ([field(FIELD_TYPE.YEAR, 4)], INTEGERS | st.sampled_from(["0000", "1901", "2155"])),
    "bits": ([field(FIELD_TYPE.BIT, 64)], INTEGERS),
    "decimals": (
        [field(FIELD_TYPE.NEWDECIMAL, p + 2, s) for p, s in ((10, 2), (38, 0), (38, 38), (18, 18), (5, 5), (65, 30))],
        DECIMALS,
    ),
    "floats": (
        [field(FIELD_TYPE.DOUBLE, scale=UNFIXED_SCALE), field(FIELD_TYPE.FLOAT, 7, UNFIXED_SCALE)],
        st.floats(allow_nan=False).map(repr),
    ),
    "fixed floats": ([field(FIELD_TYPE.FLOAT, 10, 2)], DECIMALS),
    "dates": ([field(FIELD_TYPE.DATE), field(FIELD_TYPE.NEWDATE)], DAYS),
    "moments": ([field(FIELD_TYPE.DATETIME), field(FIELD_TYPE.DATETIME, scale=6)], CLOCKS),
    "instants": ([field(FIELD_TYPE.TIMESTAMP), field(FIELD_TYPE.TIMESTAMP, scale=3)], CLOCKS | DECIMALS),
    "texts": ([field(FIELD_TYPE.VAR_STRING, charset=UTF8), field(FIELD_TYPE.TIME)], st.text(max_size=300)),
    "bytes": ([field(FIELD_TYPE.BLOB)], st.text(max_size=300)),
}


def built(column: Field, clock: Clock, policy: str, rows: Sequence[bytes | None]) -> object:
    """The column, what a mask gets of it, and how many dates were counted; or the error."""
    block = block_of([(row,) for row in rows], 1)
    zero_dates = ZeroDates(policy)  # type: ignore[arg-type]
    kind = column_type(column, clock, zero_dates)
    found: list[object] = [kind.field]
    for build in (kind.build, kind.sent):
        try:
            array = build(block, block.columns[0])
        except (SourceError, pa.ArrowInvalid) as error:
            found.append((type(error), str(error)))
        else:
            array.validate(full=True)
            # As text: NaN is not equal to itself, and -0.0 is equal to 0.0.
            found.append((array.type, repr(array.to_pylist())))
    return [*found, zero_dates.counts]


@pytest.mark.parametrize("kind", COLUMNS)
@settings(max_examples=40)
@given(examples=st.data())
def test_columns_hold_what_the_twin_makes_of_any_cells(kind: str, examples: st.DataObject):
    fields, texts = COLUMNS[kind]
    column = examples.draw(st.sampled_from(fields))
    # Mostly plain cells, for one of another kind gives the whole column to the twin.
    cell = st.none() | texts.map(str.encode)
    rows = examples.draw(st.lists(cell, max_size=6) | st.lists(cell | ODD, max_size=4))
    offset = examples.draw(st.sampled_from([None, 0, 8 * 3600]))
    clock = Clock(ZoneInfo("Asia/Shanghai"), offset)
    policy = examples.draw(st.sampled_from(["null", "error", "text"]))
    found = built(column, clock, policy, rows)
    with without_kernels():
        assert built(column, clock, policy, rows) == found


def test_plain_cells_are_not_left_to_the_twin():
    """What makes reading fast: one test for what every server sends."""
    plain: dict[pa.DataType, list[bytes | None]] = {
        pa.int8(): [b"-128", None, b"127"],
        pa.int64(): [b"-9223372036854775808", b"0", b"0009223372036854775807"[2:]],
        pa.uint64(): [b"18446744073709551615"],
        pa.decimal128(12, 2): [b"-9999999999.99", b"0.01", None],
        pa.decimal128(38, 0): [b"9" * 38, b"-" + b"9" * 38],
        pa.decimal128(18, 6): [b"1764000000", b"1764000000.25"],
        pa.date32(): [b"0001-01-01", b"2024-02-29", b"9999-12-31"],
        pa.timestamp("us"): [b"2026-11-20 14:00:00", b"9999-12-31 23:59:59.999999", None],
    }
    for arrow, rows in plain.items():
        block = block_of([(row,) for row in rows], 1)
        expected = pa.array([None if row is None else row.decode() for row in rows], pa.string()).cast(arrow)
        found = cells.plain_values(block, block.columns[0], arrow)
        assert found is not None
        assert found.equals(expected)


ARGUMENTS = (bytes(64), np.zeros(2, np.int64), np.full(2, 3, np.int64), None)


@pytest.mark.parametrize(
    ("function", "more"),
    [("texts", ()), ("integers", (4, True)), ("decimals", (5, 2)), ("dates", ()), ("moments", ())],
)
def test_cells_that_python_puts_outside_of_the_data_are_not_read(function: str, more: tuple[int, ...]):
    data, starts, lengths, nulls = ARGUMENTS
    tail = (nulls, *more)[1 if function == "texts" else 0 :]
    kernel = getattr(compiled, function)
    far = np.array([0, 2**62])
    for wrong in ((data, far, lengths), (data, -far, lengths), (data, starts, far), (data, starts, -far)):
        try:
            assert kernel(*wrong, *tail) is None
        except ValueError as error:
            assert "outside" in str(error)  # noqa: PT017 - None or this
    for wrong in ((data, starts[:1], lengths), (data, np.zeros(15, np.uint8), lengths)):
        with pytest.raises(ValueError, match="another size"):
            kernel(*wrong, *tail)


MORE_TYPES = {
    "b13": ("BIT(13)", ["b'1000000000001'", "0"]),
    "ti": ("TIME(3)", ["'-838:59:59'", "'838:59:58.999'", "'-00:00:00.001'"]),
    "fixed": ("FLOAT(10,2)", ["1234567.88", "-0.01"]),
    "zerofill": ("INT(8) ZEROFILL", ["42", "4294967295"]),
    "gbk_": ("VARCHAR(20) CHARACTER SET gbk", ["'中文'"]),
    "phone": ("VARCHAR(20)", ["'13812345678'", "''"]),
    "stamp": ("TIMESTAMP(3) NULL", ["'2026-11-20 06:00:00.5'", "'0000-00-00'"]),
    "odd": ("DATE", ["'2026-02-30'", "'2026-02-28'", "'0000-00-00'"]),
    "huge": ("LONGBLOB", ["REPEAT(x'ff', 17000000)"]),
}


def test_an_extract_of_all_types_is_the_same_file_without_the_kernels(mariadb: MySQLServer, tmp_path: Path):
    columns = EXTREMES | MORE_TYPES
    database = mariadb.fresh_database()
    names = ", ".join(f"`{name}` {kind}" for name, (kind, _) in columns.items())
    rows = [
        ", ".join(literals[row] if row < len(literals) else "NULL" for _, literals in columns.values())
        for row in range(5)
    ]
    statements = [f"INSERT INTO t VALUES ({number}, {row})" for number, row in enumerate(rows)]
    run_on(mariadb, database, ["SET GLOBAL max_allowed_packet = 67108864"])
    run_on(
        mariadb, database, ["SET sql_mode = 'ALLOW_INVALID_DATES'", f"CREATE TABLE t (id INT, {names})", *statements]
    )
    keys = {"name": "t", "select_fields": ["*"], "mask": {"phone": "partial", "text_": "hash", "stamp": "hash"}}
    files = []
    for policy in ("null", "text"):
        request = ReadRequest(TableEntry.model_validate(keys), "w", LOGICAL_TIME, ZONE, policy)
        for context in (contextlib.nullcontext, without_kernels):
            with context():
                extract = read_extract(request, options_for(mariadb, database), tmp_path, ignore_progress)
            files.append((extract.datasets[0].path.read_bytes(), extract.datasets[0].zero_dates))
    assert files[0] == files[1]
    assert files[2] == files[3]
    assert files[0][1] == {"odd": 2, "stamp": 1}
