"""Lists in messages, cut where they would become too long to read."""

from collections.abc import Sequence


def some_of(items: Sequence[str], most: int, *, separator: str = ", ") -> str:
    """The first `most` of the items, and how many more there are: `a, b and 3 more`."""
    more = len(items) - most
    return separator.join(items[:most]) + (f" and {more} more" if more > 0 else "")
