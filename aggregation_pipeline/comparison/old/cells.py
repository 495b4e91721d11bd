"""What a cell of an old file holds, before anything is known of its column."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from aggregation_pipeline.errors import ComparisonError


class Number(str):
    """A number of an old file, with the digits that stand there."""

    __slots__ = ()


# A mapping or a list is a value of a JSON column, or a Buffer.
Cell = None | bool | str | Mapping[str, "Cell"] | Sequence["Cell"]
Row = Mapping[str, Cell]

# Beyond these a number is written with an exponent.
_LONGEST_NUMBER: Final = 21
_SMALLEST_POINT: Final = -6
_SEPARATORS: Final = (",", ":")


def canonical_json(value: object) -> str:
    """Return JSON of which equal values have equal texts, once JavaScript has read them: numbers are doubles.

    Raises:
        ComparisonError: it is nested too deeply.
    """
    try:
        return json.dumps(_as_javascript(value), ensure_ascii=False, sort_keys=True, separators=_SEPARATORS)
    except RecursionError:
        raise ComparisonError("a value of a JSON column is nested too deeply to be compared.") from None


def _as_javascript(value: object) -> object:
    if isinstance(value, Number):
        return _double(value)
    if isinstance(value, Mapping):
        return {str(key): _as_javascript(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_javascript(each) for each in value]
    return value


def _double(number: str) -> object:
    # The one text of a double, also of an integer: 1 and 1.0 are equal in JavaScript.
    value = float(number)
    return int(value) if value.is_integer() else value


def read_json(text: str) -> Cell:
    """Read JSON and keep the digits of its numbers.

    Raises:
        ValueError: it is none.
    """
    try:
        found: Cell = json.loads(text, parse_float=Number, parse_int=Number)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def javascript_text(value: object) -> str:
    """Return `String(value)` of JavaScript, which is what csv-writer writes."""
    if isinstance(value, Number):
        return javascript_number(float(value))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "[object Object]"
    if isinstance(value, list):
        return ",".join("" if each is None else javascript_text(each) for each in value)
    return "null" if value is None else str(value)


def javascript_number(value: float) -> str:
    """Return the shortest text of a double, as JavaScript writes it."""
    if not value:
        return "0"
    sign, numerals, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits = "".join(map(str, numerals))
    # Where the point stands, counted from the first digit.
    point = len(digits) + int(exponent)
    if 0 < point <= _LONGEST_NUMBER:
        whole, rest = digits[:point].ljust(point, "0"), digits[point:]
        text = f"{whole}.{rest}" if rest else whole
    elif _SMALLEST_POINT < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        mantissa = f"{digits[0]}.{digits[1:]}" if len(digits) > 1 else digits
        text = f"{mantissa}e{point - 1:+}"
    return f"-{text}" if sign else text
