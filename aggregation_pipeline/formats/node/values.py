"""Values as the Node.js service wrote them: what mysql2 made of a column, and JSON.stringify of that.

| MySQL                      | here                                                                             |
|----------------------------|----------------------------------------------------------------------------------|
| integers, FLOAT, DOUBLE    | numbers; all digits, of which JavaScript keeps 2^53 as it did there               |
| DECIMAL, and SUM, AVG of it | text: "98231.50"                                                                |
| DATE, DATETIME, TIMESTAMP  | the moment in UTC, "2026-11-19T16:00:00.000Z"; DATE and DATETIME by the zone's clock |
| JSON                       | itself, not as text                                                              |
| BIT, BINARY, BLOB          | {"type":"Buffer","data":[0,255]}                                                 |
| all else                   | text                                                                             |
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.column_text import exact_text
from aggregation_pipeline.formats.common.field_metadata import mysql_type

_BIT: Final = re.compile(r"BIT\((\d+)\)")
# The calendar repeats after so many years.
_CYCLE: Final = 400


class NodeColumn(NamedTuple):
    """A column as text; NULL stays NULL.

    Attributes:
        kind: number and json stand in JSON as they are, text and moment in quotes. Only text may hold signs that JSON
            escapes.
    """

    kind: Literal["number", "text", "moment", "json"]
    text: pa.Array


# From an instant to its text.
Write = Callable[[datetime], str]


def node_columns(dataset: Dataset, batch: pa.RecordBatch, zone: ZoneInfo, write: Write) -> Sequence[NodeColumn]:
    """The columns of some rows.

    Args:
        dataset: whose rows they are.
        batch: the rows.
        zone: whose clock DATE and DATETIME were taken for.
        write: how moments are written, such as `iso_text`.
    """
    columns = zip(batch.columns, dataset.schema, strict=True)
    return [_node_column(column, field, zone, write, masked=field.name in dataset.masks) for column, field in columns]


def _node_column(column: pa.Array, field: pa.Field, zone: ZoneInfo, write: Write, *, masked: bool) -> NodeColumn:
    kind, of = field.type, mysql_type(field)
    if pa.types.is_binary(kind):
        return NodeColumn("json", _mapped(column, _buffer))
    if bits := _BIT.fullmatch(of):
        size = (int(bits[1]) + 7) // 8
        return NodeColumn("json", _mapped(column, lambda value: _buffer(int(value).to_bytes(size, "big"))))
    if pa.types.is_boolean(kind):
        return NodeColumn("json", exact_text(column))
    if pa.types.is_floating(kind):
        # JSON.stringify writes null for what is no number.
        column = pc.if_else(pc.is_finite(column), column, pa.scalar(None, kind))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return NodeColumn("number", pc.cast(column, pa.string()))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return NodeColumn("moment", _mapped(column, lambda value: write(instant_of(value, zone))))
    # What a mask has made of a document is none any more.
    return NodeColumn("json" if of == "JSON" and not masked else "text", exact_text(column))


def instant_of(value: date, zone: ZoneInfo) -> datetime:
    """The instant that JavaScript took a value for: a DATE for the midnight at which it begins."""
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    return value if value.tzinfo else value.replace(tzinfo=zone)


def iso_text(instant: datetime) -> str:
    """An instant as Date.toISOString writes it: milliseconds, in UTC."""
    try:
        year, utc = 0, instant.astimezone(UTC)
    except OverflowError:  # before year 1 or after 9999 in UTC, where Python's calendar ends
        year = _CYCLE if instant.year > 1 else -_CYCLE
        utc = instant.replace(year=instant.year - year).astimezone(UTC)
    year += utc.year
    written = f"{year:04d}" if year < 10_000 else f"+{year:06d}"
    return f"{written}-{utc:%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _buffer(value: bytes) -> str:
    return f'{{"type":"Buffer","data":[{",".join(map(str, value))}]}}'


def _mapped(column: pa.Array, write: Callable[[Any], str]) -> pa.Array:  # Arrow does not type its values
    """Write each distinct value once."""
    distinct = column.dictionary_encode()
    texts = pa.array([write(value) for value in distinct.dictionary.to_pylist()], pa.string())
    return texts.take(distinct.indices)
