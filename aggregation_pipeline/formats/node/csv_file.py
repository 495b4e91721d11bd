"""CSV as two libraries of Node.js write it: csv-writer, which the service used, and json2csv.

Both write UTF-8 without a byte order mark, line feeds, nothing for NULL, and no sign before formulas.

csv-writer quotes what holds a comma, a quote or a line end, and writes moments as Date.toString does:
`Sat Nov 21 2026 00:00:00 GMT+0800 (China Standard Time)`. json2csv quotes all but numbers, writes moments in UTC, and
ends the last line with nothing. What csv-writer lost (`[object Object]`) is written as JSON.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import BinaryIO, Final
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.config.compat import NodeCsv
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.batches import slices
from aggregation_pipeline.formats.common.rows import Piece, row_chunks
from aggregation_pipeline.formats.node.values import NodeColumn, Write, iso_text, node_columns

_NEEDS_QUOTES: Final = '[",\r\n]'
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# What Node.js calls zones, of those that have no summer time today. Readers take what stands in brackets for a remark.
_ZONE_NAMES: Final = {
    "Asia/Shanghai": "China Standard Time",
    "Asia/Chongqing": "China Standard Time",
    "Asia/Hong_Kong": "Hong Kong Standard Time",
    "Asia/Taipei": "Taipei Standard Time",
    "Asia/Tokyo": "Japan Standard Time",
    "Asia/Singapore": "Singapore Standard Time",
    "UTC": "Coordinated Universal Time",
    "Etc/UTC": "Coordinated Universal Time",
}


def write_node_csv(dataset: Dataset, file: BinaryIO, style: NodeCsv, zone: ZoneInfo) -> None:
    """Write a dataset; `zone` is that of the service's process."""
    write, field = _WRITES[style](zone), _FIELDS[style]
    header = [field(NodeColumn("text", pa.array([name], pa.string())))[0].as_py() for name in dataset.schema.names]
    file.write(",".join(header).encode())
    for batch in slices(dataset):
        pieces: list[Piece] = []
        for column in node_columns(dataset, batch, zone, write):
            pieces += ["," if pieces else "\n", field(column)]
        file.writelines(row_chunks(pieces, null=""))
    if style == "csv-writer":
        file.write(b"\n")


def date_text(instant: datetime, zone: ZoneInfo) -> str:
    """An instant as Date.toString writes it in a process of this zone."""
    local = instant.astimezone(zone)
    day = f"{_DAYS[local.weekday()]} {_MONTHS[local.month - 1]} {local.day:02d} {local.year:04d}"
    name = _ZONE_NAMES.get(zone.key, zone.key)
    name = name.replace("Standard", "Daylight") if local.dst() else name
    return f"{day} {local:%H:%M:%S} GMT{local.strftime('%z')[:5]} ({name})"


def _plain(column: NodeColumn) -> pa.Array:
    needs = pc.match_substring_regex(column.text, _NEEDS_QUOTES)
    return pc.if_else(needs, _quoted(column.text), column.text) if pc.any(needs).as_py() else column.text


def _always_quoted(column: NodeColumn) -> pa.Array:
    return column.text if column.kind == "number" else _quoted(column.text)


def _quoted(text: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', pc.replace_substring(text, '"', '""'), '"', "")


_FIELDS: Final[Mapping[NodeCsv, Callable[[NodeColumn], pa.Array]]] = {
    "csv-writer": _plain,
    "json2csv": _always_quoted,
}
_WRITES: Final[Mapping[NodeCsv, Callable[[ZoneInfo], Write]]] = {
    "csv-writer": lambda zone: lambda instant: date_text(instant, zone),
    "json2csv": lambda _zone: iso_text,
}
