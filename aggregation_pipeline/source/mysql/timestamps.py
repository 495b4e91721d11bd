"""Build columns of DATE, DATETIME and TIMESTAMP.

A TIMESTAMP comes as text if the session has an offset, as seconds since 1970 if it has a named zone.
"""

import pyarrow as pa
import pyarrow.compute as pc

from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.blocks import Block, Cells
from aggregation_pipeline.source.mysql.cells import Builder, cell_text, plain_values, values
from aggregation_pipeline.source.mysql.row_protocol import Field
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.timezones.wall_clock import to_wall_clock

_NAIVE = pa.timestamp("us")
_SECONDS = pa.decimal128(18, 6)


def timestamp_builders(field: Field, clock: Clock, zero_dates: ZeroDates) -> tuple[Builder, Builder]:
    """Return the builder of the column, and the builder of the bytes that a mask hides.

    The column is timestamp[us, zone], or text by the zone's clock if zero dates are kept. A mask gets the text in UTC,
    which does not depend on the session, so equal instants have equal hashes in every table.
    """
    digits = field.scale if 0 < field.scale <= 6 else 0
    instants = _instants(field.name, clock, zero_dates if zero_dates.policy != "text" else ZeroDates("null"))

    def in_utc(block: Block, cells: Cells) -> pa.Array:
        shown = _truncated(instants(block, cells).view(pa.int64()).view(_NAIVE), digits)
        return (with_zeros(shown, cells) if zero_dates.policy == "text" else shown).cast(pa.binary())

    def in_zone(block: Block, cells: Cells) -> pa.Array:
        return with_zeros(_truncated(to_wall_clock(instants(block, cells))[0], digits), cells)

    def with_zeros(shown: pa.Array, cells: Cells) -> pa.Array:
        """Put the server's text in the place of zero dates, which are no instants."""
        filled = pc.fill_null(shown, _zero(digits))
        return filled if cells.nulls is None else pc.if_else(pa.array(cells.nulls), shown, filled)

    return (in_zone if zero_dates.policy == "text" else instants), in_utc


def _instants(name: str, clock: Clock, zero_dates: ZeroDates) -> Builder:
    kind = pa.timestamp("us", tz=clock.zone.key)
    if clock.offset_seconds is None:
        return lambda block, cells: _from_seconds(name, values(block, cells, _SECONDS), zero_dates).view(kind)
    shift = pa.scalar(clock.offset_seconds * 1_000_000, pa.duration("us"))
    readings = moments(name, _NAIVE, zero_dates)
    return lambda block, cells: pc.subtract(readings(block, cells), shift).view(kind)


def moments(name: str, kind: pa.DataType, zero_dates: ZeroDates) -> Builder:
    """Return the builder of a column of dates, or of timestamps without a zone."""

    def build(block: Block, cells: Cells) -> pa.Array:
        if (plain := plain_values(block, cells, kind)) is not None:
            return plain
        return zero_dates.read(name, cell_text(block, cells), kind)

    return build


def _from_seconds(name: str, seconds: pa.Array, zero_dates: ZeroDates) -> pa.Array:
    # The same bytes, read as integers: whole microseconds.
    micro = pa.Array.from_buffers(
        pa.decimal128(18, 0), len(seconds), seconds.buffers(), seconds.null_count, seconds.offset
    ).cast(pa.int64())
    # 1970-01-01 00:00:00 UTC is not a valid TIMESTAMP: 0 stands for the zero date.
    zero = pc.equal(micro, 0)
    zero_dates.count(name, zero)
    return pc.if_else(zero, pa.scalar(None, pa.int64()), micro)


def _truncated(clock: pa.Array, digits: int) -> pa.Array:
    return pc.utf8_slice_codeunits(clock.cast(pa.string()), 0, 20 + digits if digits else 19)


def _zero(digits: int) -> str:
    return "0000-00-00 00:00:00" + ("." + "0" * digits if digits else "")
