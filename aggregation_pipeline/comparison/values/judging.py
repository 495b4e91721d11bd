"""Whether two texts of one column mean the same value, by the type of the column.

A note says what the old file could not hold, such as the digits of an integer beyond 2^53: the values count as equal.
"""

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final, Literal
from zoneinfo import ZoneInfo

from aggregation_pipeline.comparison.old.cells import canonical_json, javascript_text, read_json
from aggregation_pipeline.comparison.values.kinds import OBJECTS, TEMPORAL, Column, Kind
from aggregation_pipeline.comparison.values.moments import (
    INVALID,
    Moment,
    as_javascript,
    milliseconds,
    read_old,
    sheet_errors,
)
from aggregation_pipeline.comparison.values.texts_of_cells import UNKNOWN
from aggregation_pipeline.node_files.names import NodeFormat

Note = Literal[
    "lost_digits",
    "six_digits",
    "cut_fraction",
    "sheet_clock",
    "invalid_date",
    "bytes_as_text",
    "object_object",
    "json_value",
    "not_in_sheet",
    "not_compared",
]
# JSON keeps no integer beyond it exactly, because JavaScript has none.
_SAFE: Final = 2**53
_OBJECT: Final = "[object Object]"
# What JavaScript calls them.
_NO_NUMBERS: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
# With these begins a text that can be one of MariaDB's JSON columns, which are LONGTEXT. mysql2 makes values of them.
_OBJECTS: Final = ("{", "[")
_DOCUMENTS: Final = (*_OBJECTS, '"')
_MINUTE: Final = timedelta(minutes=1)
# A double holds days to about this.
_SHEET_STEP: Final = timedelta(milliseconds=2)


@dataclass(frozen=True)
class Verdict:
    """Whether two values are equal.

    Attributes:
        note: what the old file could not hold of an equal value.
        late: by how many seconds the old moment is later; None for other kinds.
        relative: by which part of the larger number two numbers differ; None for other kinds.
        rises: whether ours is the larger number; None for other kinds.
    """

    equal: bool
    note: Note | None = None
    late: int | None = None
    relative: float | None = None
    rises: bool | None = None


EQUAL: Final = Verdict(equal=True)
DIFFERENT: Final = Verdict(equal=False)


def _equal_but(note: Note) -> Verdict:
    return Verdict(equal=True, note=note)


@dataclass(frozen=True)
class Judge:
    """Judges values of one old file.

    Attributes:
        old_format: json can tell NULL from an empty text; csv and excel cannot.
        zone: of the Node process.
        tolerance: by which part of the larger one two DOUBLEs may differ.
    """

    old_format: NodeFormat
    zone: ZoneInfo
    tolerance: float = 1e-12

    def verdict(self, column: Column, ours: str | None, old: str | None) -> Verdict:
        """Compare one value."""
        if old == UNKNOWN:
            return _equal_but("not_compared") if ours is not None else DIFFERENT
        if ours == old:
            return EQUAL
        if not old and self.old_format != "json":
            return self._absent(column, ours)
        if ours is None or old is None:
            return _equal_but("invalid_date") if _is_invalid(column, ours, old) else DIFFERENT
        return self._by_kind(column, ours, old)

    def _absent(self, column: Column, ours: str | None) -> Verdict:
        """Judge an empty cell, which stands for NULL and for an empty text."""
        if not ours or (column.kind == "bytes" and ours == "0x") or column.mask == "hash":
            # The hash of an empty text is known to who has the salt, and NULL would be NULL in ours.
            return EQUAL if not ours or not column.mask else _equal_but("not_compared")
        is_object = column.kind in OBJECTS or (column.kind == "text" and not column.mask and _is_object(ours))
        if self.old_format == "excel" and is_object:
            return _equal_but("not_in_sheet")
        return _equal_but("invalid_date") if _is_invalid(column, ours, None) else DIFFERENT

    def _by_kind(self, column: Column, ours: str, old: str) -> Verdict:
        judges: Mapping[Kind, Callable[[Column, str, str], Verdict]] = {
            "integer": _numbers,
            "decimal": _numbers,
            "double": self._floats,
            "float": self._floats,
            "date": self._moments,
            "datetime": self._moments,
            "instant": self._moments,
            "bits": _bytes,
            "bytes": _bytes,
            "json": _documents,
            "shape": lambda *_: _equal_but("not_compared"),
            "text": self._texts,
        }
        return judges[column.kind](column, ours, old)

    def _texts(self, column: Column, ours: str, old: str) -> Verdict:
        # XML has one way to end a line.
        if self.old_format == "excel" and ours.replace("\r\n", "\n") == old.replace("\r\n", "\n"):
            return EQUAL
        if column.mask or not ours.lstrip().startswith(_DOCUMENTS):
            return DIFFERENT
        # A cell that was an object is `canonical_json` by now; of CSV's cells nobody knows what they were.
        found = _documents(column, ours, old) if self.old_format == "csv" else _same_document(ours, old)
        return _equal_but(found.note or "json_value") if found.equal else DIFFERENT

    def _floats(self, column: Column, ours: str, old: str) -> Verdict:
        mine, theirs = float(ours), _number(old)
        if theirs is None or not math.isfinite(mine):
            return EQUAL if _NO_NUMBERS.get(ours) == old else DIFFERENT
        other = float(theirs)
        if mine == other or math.isclose(mine, other, rel_tol=self.tolerance):
            return EQUAL
        if column.digits is not None and round(mine, column.digits) == round(other, column.digits):
            return EQUAL
        if column.kind == "float":
            if _single(mine) == _single(other):
                return EQUAL
            if float(f"{mine:.6g}") == other:
                return _equal_but("six_digits")
        return _far_apart(mine, other)

    def _moments(self, column: Column, ours: str, old: str) -> Verdict:
        then = read_old(old)
        try:
            now = datetime.fromisoformat(ours)
        except ValueError:
            return _equal_but("invalid_date") if old == INVALID else DIFFERENT
        if then is None:
            return DIFFERENT
        if column.kind == "instant":
            instant, wall = milliseconds(now), now.astimezone(self.zone).replace(tzinfo=None)
        else:
            instant, wall = as_javascript(now, self.zone), now
        cut = wall.microsecond % then.step != 0
        late = _late(then, instant, wall, is_instant=column.kind == "instant")
        if late == timedelta(0):
            return _equal_but("cut_fraction") if cut else EQUAL
        if self.old_format == "excel":
            if abs(late) <= _SHEET_STEP:
                return _equal_but("cut_fraction")
            late = _without_sheet_error(late, sheet_errors(self.zone, wall.year))
            if abs(late) <= _SHEET_STEP:
                return _equal_but("sheet_clock")
        return Verdict(equal=False, late=round(late.total_seconds()))


def _is_invalid(column: Column, ours: str | None, old: str | None) -> bool:
    """Whether both stand for a date that no calendar has; mysql2 makes null or `Invalid Date` of it."""
    if column.kind not in TEMPORAL:
        return False
    if ours is None:
        return old == INVALID
    try:
        datetime.fromisoformat(ours)
    except ValueError:
        return True
    return False


def _number(text: str) -> Decimal | None:
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _numbers(_: Column, ours: str, old: str) -> Verdict:
    mine, theirs = _number(ours), _number(old)
    if mine is None or theirs is None:
        return DIFFERENT
    if mine == theirs:
        return EQUAL
    # What JavaScript makes of the exact value, and nothing else that is near.
    if theirs == _number(repr(float(mine))) and (abs(mine) > _SAFE or len(mine.as_tuple().digits) > 15):
        return _equal_but("lost_digits")
    return _far_apart(mine, theirs)


def _far_apart(mine: Decimal | float, other: Decimal | float) -> Verdict:
    one, two = float(mine), float(other)
    largest = max(abs(one), abs(two))
    relative = abs(one - two) / largest if largest and math.isfinite(largest) else 0.0
    # Exact digits beyond those of a double still rise or fall.
    rises = Decimal(mine) > Decimal(other)
    return Verdict(equal=False, relative=relative, rises=rises)


def _single(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return value


def _late(then: Moment, instant: int, wall: datetime, *, is_instant: bool) -> timedelta:
    """By how much the old moment is later than ours, as far as the old text can tell."""
    step = timedelta(microseconds=then.step)
    whole = wall - timedelta(microseconds=wall.microsecond % then.step)
    if then.wall is not None and (then.instant is None or not is_instant) and then.wall == whole:
        return timedelta(0)
    if then.instant is not None:
        seconds = max(1, then.step // 1000)
        return timedelta(milliseconds=then.instant - instant // seconds * seconds)
    found = (then.wall or wall) - wall
    return timedelta(0) if abs(found) < step else found


def _without_sheet_error(late: timedelta, errors: tuple[int, ...]) -> timedelta:
    """What is left when SheetJS's own error is taken off: nothing if it explains all, else whole minutes if it can."""
    left = [late - timedelta(seconds=each) for each in errors]

    def is_whole(each: timedelta) -> bool:
        return (each + _SHEET_STEP) % _MINUTE <= 2 * _SHEET_STEP

    return min(left, key=lambda each: (abs(each) > _SHEET_STEP, not is_whole(each), abs(each)))


def _bytes(column: Column, ours: str, old: str) -> Verdict:
    if column.kind == "bits":
        mine = int(ours).to_bytes(max(1, (column.bits + 7) // 8), "big")
    else:
        mine = bytes.fromhex(ours.removeprefix("0x"))
    return _equal_but("bytes_as_text") if mine.decode(errors="replace") == old else DIFFERENT


def _is_object(text: str) -> bool:
    if not text.lstrip().startswith(_OBJECTS):
        return False
    try:
        read_json(text)
    except ValueError:
        return False
    return True


def _same_document(ours: str, old: str) -> Verdict:
    try:
        mine = read_json(ours)
    except ValueError:
        return DIFFERENT
    return EQUAL if old == (mine if isinstance(mine, str) else canonical_json(mine)) else DIFFERENT


def _documents(_: Column, ours: str, old: str) -> Verdict:
    try:
        mine = read_json(ours)
    except ValueError:
        return DIFFERENT
    if canonical_json(mine) == old:
        return EQUAL
    if (text := javascript_text(mine)) == old:
        return _equal_but("object_object") if _OBJECT in text else EQUAL
    try:
        # MariaDB's JSON columns are text, and so are those that a query made text.
        return EQUAL if canonical_json(read_json(old)) == canonical_json(mine) else DIFFERENT
    except ValueError:
        return DIFFERENT


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the UTC instant that JavaScript takes a reading of its clock for."""
    return datetime.fromtimestamp(as_javascript(wall, zone) / 1000, UTC)
