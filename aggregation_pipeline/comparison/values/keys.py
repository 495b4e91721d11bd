"""The text by which rows of both sides are brought together, equal for all ways to write a value."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.comparison.values.kinds import NUMERIC, TEMPORAL, Column
from aggregation_pipeline.comparison.values.moments import as_javascript, milliseconds, read_old, sheet_errors
from aggregation_pipeline.node_files.names import NodeFormat

_SAFE: Final = 2**53
_NULL: Final = "\x00"
_MOST_DIGITS: Final = 308
_EXACT: Final = Context(prec=100)


@dataclass(frozen=True)
class Keys:
    """Makes the keys of rows.

    Attributes:
        columns: the key's, with their positions in a row.
        old_format: how fine moments are in the old file, and whether it can tell NULL from an empty text.
        zone: of the Node process.
    """

    columns: Sequence[tuple[int, Column]]
    old_format: NodeFormat
    zone: ZoneInfo

    def key(self, row: Sequence[str | None]) -> str:
        """Return the key of a row."""
        return json.dumps([self._part(column, row[position]) for position, column in self.columns])

    def _part(self, column: Column, text: str | None) -> str:
        if text is None or (not text and self.old_format != "json"):
            return _NULL
        if column.kind in TEMPORAL:
            return self._moment(column, text)
        if column.kind in NUMERIC:
            return _number(column, text)
        if column.kind == "bits" and not text.isdigit():
            # Bytes, which csv-writer took for text.
            return str(int.from_bytes(text.encode(errors="replace")))
        return text

    def _moment(self, column: Column, text: str) -> str:
        found = read_old(text)
        instant: int
        if found is None:
            try:
                ours = datetime.fromisoformat(text)
            except ValueError:
                return text
            # Ours, with the offset of its own zone.
            instant = milliseconds(ours)
        elif found.wall is not None and not (column.kind == "instant" and found.instant is not None):
            wall = found.wall
            if self.old_format == "excel":
                return _in_sheet(column, wall, self.zone)
            instant = as_javascript(wall, self.zone)
        else:
            instant = found.instant or 0
        if self.old_format == "excel":
            wall = datetime.fromtimestamp(instant / 1000, self.zone).replace(tzinfo=None)
            return _in_sheet(column, wall, self.zone)
        return str(instant // 1000 if self.old_format == "csv" else instant)


def _in_sheet(column: Column, wall: datetime, zone: ZoneInfo) -> str:
    if column.kind == "date":
        # An hour of summer time and the seconds of 1899 at most.
        return str((wall + timedelta(hours=2)).date())
    late = max((each for each in sheet_errors(zone, wall.year) if 0 < abs(each) < 60), key=abs, default=0)
    seconds = wall.replace(microsecond=0)
    return str(seconds - timedelta(seconds=late) if late and seconds.second == late % 60 else seconds)


def _number(column: Column, text: str) -> str:
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return text
    if not found.is_finite() or abs(found.adjusted()) > _MOST_DIGITS:
        return text
    if column.kind in {"double", "float"}:
        return f"{float(found):.{6 if column.kind == 'float' else 12}g}"
    if found == found.to_integral_value() and abs(found) > _SAFE:
        found = Decimal(repr(float(found)))
    return f"{found.normalize(_EXACT):f}"
