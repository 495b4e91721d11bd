"""What the entry of a table is called."""

import itertools
import re
from collections.abc import Collection
from hashlib import blake2b
from typing import Final

from aggregation_pipeline.config.sql.table_names import checked_entry_name

_NAME_LETTERS: Final = 40


def entry_name(table: str) -> str:
    """The table's own name, or one like it where files could not have that."""
    try:
        return checked_entry_name(table)
    except ValueError:
        return another_name(table)


def another_name(table: str) -> str:
    """A name like the table's that no other table has, whatever the case of letters."""
    letters = re.sub(r"[^\w-]+", "_", table)[:_NAME_LETTERS].strip("_")
    return f"{letters or 'table'}_{blake2b(table.encode(), digest_size=3).hexdigest()}"


def free_name(wanted: str, taken: Collection[str]) -> str:
    """The name, or one with a number behind it, that is not `taken` in any case of letters."""
    names = itertools.chain([wanted], (f"{wanted}_{number}" for number in itertools.count(2)))
    return next(name for name in names if name.casefold() not in taken)
