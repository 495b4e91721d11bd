"""Values of JSON that any program may have written: each is what was expected, or None."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

from aggregation_pipeline.batch_jobs.pages import moment

# As long as the error texts that we write.
_LONGEST: Final = 2_000
# What PostgreSQL's bigint holds. Greater numbers count nothing, and make sums that no float holds.
_MOST: Final = 2**63 - 1
_DIGITS: Final = len(str(_MOST))
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


def text(value: object) -> str | None:
    """A text that is not empty, cut where it is very long."""
    return value[:_LONGEST] if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """A number of things: a whole number from 0 to what a bigint holds, also as a text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST else None


def seconds(value: object) -> float | None:
    """A finite length of time from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # A whole number may be too great for a float.
    return float(value) if 0 <= value < 1e12 and math.isfinite(value) else None


def instant(value: object) -> datetime | None:
    """A moment in UTC, of a text or of a moment that has a time zone."""
    found = moment(value) if isinstance(value, str) else value
    if not isinstance(found, datetime) or found.tzinfo is None:
        return None
    return found.astimezone(UTC)


def members(value: object) -> Mapping[str, Any]:
    """An object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else _NOTHING


def entries(value: object, most: int) -> Iterator[tuple[str, Any]]:
    """The first `most` members of an object with their names, which are cut as texts are; none for anything else."""
    return ((name[:_LONGEST], member) for name, member in islice(members(value).items(), most))


def items(value: object, most: int) -> Sequence[Any]:
    """The last `most` items of an array; none for anything else."""
    return value[-most:] if isinstance(value, list) else ()


def texts(value: object, most: int) -> tuple[str, ...]:
    """The texts among the items of an array."""
    return tuple(found for item in items(value, most) if (found := text(item)) is not None)
