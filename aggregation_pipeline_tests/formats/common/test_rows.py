"""Rows of text, by rows.c and by Arrow."""

import struct
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import inf, nan, nextafter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation_pipeline.config.options import CsvOptions, FormatOptions, JsonOptions
from aggregation_pipeline.formats.common import rows
from aggregation_pipeline.formats.common.rows import Clock, Escaped, Part, Piece, row_chunks, rows_as_bytes
from aggregation_pipeline.formats.common.text_bytes import Escapes
from aggregation_pipeline.formats.registry import render
from aggregation_pipeline.native.kernels import joiner
from aggregation_pipeline_tests.formats.cases import all_types, make_extract

EPOCH = datetime(1970, 1, 1)
ESCAPES = [
    Escapes({'"': '""'}),
    Escapes({"\\": "\\\\", '"': '\\"', **{chr(code): f"\\u{code:04x}" for code in range(32)}}),
    Escapes({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", "\x01": "_x0001_"}),
]
needs_kernel = pytest.mark.skipif(joiner is None, reason="not built")

texts = st.text(
    st.sampled_from('aé中😀"\\&<>\r\n\t\0\x01\x1f ') | st.characters(exclude_categories=["Cs"]), max_size=40
)
dates = st.dates(date(1, 1, 1), date(9999, 12, 31))
moments = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999))


def decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    top = 10**precision - 1
    return st.integers(-top, top).map(lambda digits: Decimal(f"{digits}E-{scale}"))


def integers(kind: pa.DataType) -> st.SearchStrategy[int]:
    bits, signed = kind.bit_width, pa.types.is_signed_integer(kind)
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


INTEGERS = [getattr(pa, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)]
DECIMALS = [(1, 0), (12, 2), (18, 18), (20, 3), (38, 0), (38, 38), (65, 30)]


def decimal_type(precision: int, scale: int) -> pa.DataType:
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


# What a part may be: an Arrow type, its values, the part of a column, and what Python writes of a value.
Kind = tuple[pa.DataType, st.SearchStrategy[Any], Callable[[pa.Array], Part], Callable[[Any], str]]


def plain(column: pa.Array) -> Part:
    return column


def escaped(escapes: Escapes) -> Kind:
    replacements = escapes._replacements
    return (
        pa.string(),
        texts,
        lambda column: Escaped(column, escapes),
        lambda text: "".join(replacements.get(character, character) for character in text),
    )


def clock(digits: int) -> Kind:
    step = 10 ** (6 - digits)

    def written(moment: datetime) -> str:
        text = moment.isoformat(sep="T", timespec="microseconds")
        return text[: 20 + digits] if digits else text[:19]

    return (
        pa.timestamp("us"),
        moments.map(lambda moment: moment.replace(microsecond=moment.microsecond // step * step)),
        lambda column: Clock(column, digits, "T"),
        written,
    )


KINDS: list[Kind] = [
    (pa.string(), texts, plain, str),
    (pa.date32(), dates, plain, date.isoformat),
    *((kind, integers(kind), plain, str) for kind in INTEGERS),
    *((decimal_type(*size), decimals(*size), plain, lambda value: f"{value:f}") for size in DECIMALS),
    *map(escaped, ESCAPES),
    *map(clock, range(7)),
    # Some are days as Excel counts them. Beyond 2^31 Arrow writes the column.
    (
        pa.float64(),
        st.floats(1, 2**33) | moments.map(lambda moment: 1e6 + (moment - EPOCH) / timedelta(days=1)),
        plain,
        lambda value: repr(value).removesuffix(".0"),
    ),
]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[Piece], list[list[list[str | None]]], int]:
    """Pieces, what Python writes of their parts by piece, part and row, and the number of rows."""
    skipped, count, behind = draw(st.integers(0, 9)), draw(st.integers(1, 20)), draw(st.integers(0, 3))

    def part() -> tuple[Part, list[str | None]]:
        if draw(st.booleans()):
            constant = draw(st.text('ab,"中', max_size=20))
            return constant, [constant] * count
        kind, values, make, written = draw(st.sampled_from(KINDS))
        if draw(st.booleans()):
            values = st.none() | values
        length = skipped + count + behind
        items = draw(st.lists(values, min_size=length, max_size=length))
        expected = [None if item is None else written(item) for item in items[skipped : skipped + count]]
        return make(pa.array(items, kind).slice(skipped, count)), expected

    pieces: list[Piece] = [pa.array(range(count))]
    written: list[list[list[str | None]]] = [[[str(row) for row in range(count)]]]
    for size in draw(st.lists(st.integers(0, 4), max_size=6)):
        parts = [part() for _ in range(size or 1)]
        pieces.append(tuple(each for each, _ in parts) if size else parts[0][0])
        written.append([expected for _, expected in parts])
    return pieces, written, count


def python_rows(written: list[list[list[str | None]]], count: int, null: str) -> bytes:
    found = []
    for row in range(count):
        for parts in written:
            cell = [expected[row] for expected in parts]
            found.append(null if None in cell else "".join(text for text in cell if text is not None))
    return "".join(found).encode()


@pytest.fixture(params=["kernel", "arrow"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "arrow":
        monkeypatch.setattr(rows, "joiner", None)
    elif joiner is None:
        pytest.skip("not built")
    return str(request.param)


@settings(max_examples=60, deadline=None)
@given(table=tables(), null=st.sampled_from(["", "NULL", "\\N", "中" * 9]))
def both_ways_write_what_python_writes(table: Any, null: str) -> None:
    pieces, written, count = table
    assert rows_as_bytes(pieces, null=null) == python_rows(written, count, null)


def test_every_value_is_written_as_python_writes_it(way: str):
    both_ways_write_what_python_writes()


def test_a_row_that_is_larger_than_a_chunk_is_written_whole(way: str):
    column = pa.array(['"' * 700_000, None, "中" * 300_000, "x"], pa.string())
    chunks = [bytes(chunk) for chunk in row_chunks([("<", Escaped(column, ESCAPES[0]), ">"), "\n"], null="NULL")]
    wanted = ["<" + '"' * 1_400_000 + ">", "NULL", "<" + "中" * 300_000 + ">", "<x>"]
    assert b"".join(chunks).decode().split("\n") == [*wanted, ""]
    assert all(chunk.endswith(b"\n") for chunk in chunks)


def test_a_date_that_mysql_does_not_have_is_written_as_arrow_writes_it():
    for column in (pa.array([2932897, -719163, 0, None], pa.int32()).view(pa.date32()), pa.array([], pa.date32())):
        wanted = "".join(text or "" for text in column.cast(pa.string()).to_pylist())
        assert rows_as_bytes([column], null="").decode() == wanted
    late = pa.array([2932897 * 86_400_000_000, None, -1], pa.int64()).view(pa.timestamp("us"))
    assert rows_as_bytes([Clock(late, 6, " ")], null="").decode() == "".join(
        text or "" for text in late.cast(pa.string()).to_pylist()
    )


@needs_kernel
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"csv": CsvOptions(null="NULL", delimiter="\t", escape_formulas=False)},
        {"csv": CsvOptions(encoding="gb18030"), "on_unrepresentable": "replace"},
        {"json_": JsonOptions(shape="lines", datetimes="mysql", decimals="number", big_integers="number")},
        {"json_": JsonOptions(shape="array")},
    ],
)
def test_files_are_the_same_with_the_kernel_and_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
):
    extract = make_extract(tmp_path, pa.concat_tables([all_types(), all_types().slice(3)] * 40).combine_chunks())
    written: list[dict[str, bytes]] = []
    for way in ("kernel", "arrow"):
        if way == "arrow":
            monkeypatch.setattr(rows, "joiner", None)
        out = tmp_path / way
        out.mkdir()
        files = [file for name in ("csv", "json") for file in render(name, extract, out, FormatOptions(**options))]
        written.append({file.name: file.path.read_bytes() for file in files})
    assert written[0] == written[1]


TEXT = (2, 0, 0, bytes(8), b"", None)
SIZES = [0, 0, 4, 16, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 8]


@needs_kernel
@pytest.mark.parametrize(
    ("piece", "rows_of_it"),
    [
        ((-1, 0, 0, b"", None, None), 1),
        ((15, 0, 0, b"", None, None), 1),
        ((0, 0, 0, None, None, None), 1),
        ((1, 0, 0, b"\x01", None, None), 1),
        ((1, 0, 1, b"\x01", b"", None), 1),
        ((1, 7, 0, b"\x01", b"", None), 2),
        ((1, -1, 0, b"\x01", b"", None), 1),
        ((2, 0, 0, bytes(7), b"", None), 1),
        ((2, 0, 0, bytes(8), None, None), 1),
        ((2, 0, 0, bytes(4) + b"\x02\0\0\0", b"x", None), 1),
        ((2, 0, 0, b"\xff" * 4 + bytes(4), b"x", None), 1),
        ((2, 0, 0, b"\x01\0\0\0" + bytes(4), b"x", None), 1),
        ((2, 0, 0, bytes(8), b"", bytes(2047)), 1),
        ((2, 0, 0, bytes(8), b"", b"\x08" + bytes(2047)), 1),
        ((2, 0, 0, bytes(8), b"", bytes(2040) + b"\x01" + bytes(7)), 1),
        ((2, 0, 0, bytes(8), b"", bytes(512) + (b"\x01" + bytes(7)) * 5 + bytes(1496)), 1),
        ((3, 0, 39, bytes(16), None, None), 1),
        ((5, 0, 7, bytes(8), b" ", None), 1),
        ((5, 0, 6, bytes(8), b"", None), 1),
        ((4, 0, 0, b"\xff\xff\xff\x7f", None, None), 1),
        ((5, 0, 0, b"\xff" * 7 + b"\x7f", b" ", None), 1),
        ((5, 0, 0, b"\0" * 7 + b"\x80", b" ", None), 1),
        *(((14, 0, 0, struct.pack("d", value), None, None), 1) for value in (0.99, 2.0**32, -5, inf, nan)),
        (("0", 0, 0, b"", None, None), 1),
        ((0, 0, 0, "text", None, None), 1),
        ((0, 0, 0, b""), 1),
        ([0, 0, 0, b"", None, None], 1),
        (TEXT, -1),
        (TEXT, 2**40),
        (TEXT, 2),
        *(((kind, 0, 0, bytes(size - 1), b" ", None), 1) for kind, size in enumerate(SIZES) if size),
        *(((kind, 1, 0, bytes(size), b" ", None), 1) for kind, size in enumerate(SIZES) if size),
        *(((kind, 2**62, 0, bytes(size), b" ", None), 1) for kind, size in enumerate(SIZES)),
    ],
)
def test_the_kernel_refuses_pieces_that_lie_about_their_buffers(piece: Any, rows_of_it: int):
    assert joiner is not None
    with pytest.raises((TypeError, ValueError, OverflowError)):
        joiner.join([piece], 0, rows_of_it, bytearray(1000))


@needs_kernel
def test_the_kernel_writes_no_byte_behind_what_it_was_given():
    assert joiner is not None
    column = pa.array(['a"b', "", "x" * 50], pa.string())
    _, offsets, data = column.buffers()
    pieces = [(0, 0, 0, b"<", None, None), (2, 0, 0, offsets, data, ESCAPES[0].table), (8, 0, 0, bytes(12), None, None)]
    whole = b'<a""b0<0<' + b"x" * 50 + b"0"
    for size in range(300):
        target = bytearray(b"#" * 300)
        end, written = joiner.join(pieces, 0, 3, memoryview(target)[:size])
        assert whole.startswith(target[:written])
        assert target[size:] == b"#" * (300 - size)
    assert (end, written) == (3, len(whole))


@needs_kernel
def test_without_rows_or_pieces_nothing_is_written():
    assert joiner is not None
    assert joiner.join([], 0, 5, bytearray(9)) == (5, 0)
    assert joiner.join([TEXT], 0, 0, bytearray(9)) == (0, 0)
    assert joiner.join([TEXT], 3, 1, bytearray(9)) == (3, 0)
    empty = rows_as_bytes([pa.array([], pa.string()), ","], null="")
    assert empty == b""


def test_moments_before_1970_keep_their_digits(way: str):
    moments_before = [EPOCH - timedelta(microseconds=1), EPOCH - timedelta(days=1), datetime(1, 1, 1, tzinfo=None)]
    column = pa.array(moments_before, pa.timestamp("us"))
    got = rows_as_bytes([Clock(column, 6, " "), "\n"], null="").decode().splitlines()
    assert got == [moment.isoformat(sep=" ", timespec="microseconds") for moment in moments_before]


def test_floats_have_the_fewest_digits_that_mean_them(way: str):
    wholes = [2.0**power for power in range(31)]
    neighbours = [
        nextafter(whole, towards) for whole in wholes for towards in (0, inf) if nextafter(whole, towards) >= 1
    ]
    between_two_texts = [8770.3204345703125, 21445515.1630859375]
    floats = [*wholes, *neighbours, *between_two_texts, 1.1, 46000 + 86399 / 86400, 2147483647.9999998]
    got = rows_as_bytes([pa.array(floats), "\n"], null="").decode().splitlines()
    assert got == [repr(each).removesuffix(".0") for each in floats]
