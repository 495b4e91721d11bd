"""A column of each type of Arrow that Parquet can hold, with values that a type beside it could not hold."""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa

MOMENT = dt.datetime(2026, 1, 2, 3, 4, 5)
# By type, a value or two of it; NULL comes with all of them.
ARROW: list[tuple[pa.DataType, list[Any]]] = [
    (pa.null(), []),
    (pa.bool_(), [True, False]),
    (pa.uint64(), [0, 2**64 - 1]),
    (pa.float16(), [1.5, -0.0]),
    (pa.float32(), [0.1, 16777216.0]),
    (pa.decimal32(5, 2), [Decimal("-123.45")]),
    (pa.decimal256(60, 3), [Decimal("9" * 57 + ".123")]),
    (pa.string(), ["", "a\0张"]),
    (pa.large_string(), ["", "a"]),
    (pa.string_view(), ["short", "longer than twelve bytes"]),
    (pa.binary(3), [b"a\0\xff"]),
    (pa.date32(), [dt.date.min, dt.date.max]),
    (pa.date64(), [dt.date(1969, 12, 31), dt.date.max]),
    (pa.time32("s"), [dt.time(23, 59, 59)]),
    (pa.time64("ns"), [86_399_999_999_999]),
    (pa.timestamp("s"), [dt.datetime(1, 1, 1), MOMENT]),
    (pa.timestamp("us", "Asia/Shanghai"), [MOMENT.replace(microsecond=1, tzinfo=dt.UTC)]),
    (pa.timestamp("ns", "+05:30"), [2**62 + 1, -1]),
    (pa.duration("s"), [2**33, -1]),
    (pa.duration("ns"), [2**62 + 1]),
    (pa.list_(pa.timestamp("s")), [[MOMENT, None], []]),
    (pa.list_(pa.duration("s")), [[5, None], []]),
    (pa.list_(pa.field("named", pa.int8())), [[1, None], []]),
    (pa.large_list(pa.int8()), [[1, None], []]),
    (pa.list_(pa.int8(), 2), [[1, None]]),
    (pa.struct([("a", pa.date64()), ("b", pa.string())]), [{"a": dt.date.max, "b": "x"}, {"a": None, "b": None}]),
    (pa.map_(pa.string(), pa.int8()), [[("b", 1), ("a", None)], []]),
    (pa.map_(pa.string(), pa.list_(pa.date64())), [[("b", [dt.date.max]), ("a", None)]]),
    (pa.dictionary(pa.int8(), pa.string(), ordered=True), ["b", "a", "b"]),
    (pa.dictionary(pa.int32(), pa.int64()), [2**53 + 1, 1]),
    (pa.dictionary(pa.int32(), pa.timestamp("s")), [MOMENT, dt.datetime(1, 1, 1)]),
    (pa.uuid(), [uuid.UUID(int=5).bytes]),
]


def arrow_array(kind: pa.DataType, values: list[Any]) -> pa.Array:
    if pa.types.is_dictionary(kind):
        found = pa.array(values, kind.value_type).dictionary_encode()
        return pa.DictionaryArray.from_arrays(
            found.indices.cast(kind.index_type), found.dictionary, ordered=kind.ordered
        )
    return pa.array(values, kind)
