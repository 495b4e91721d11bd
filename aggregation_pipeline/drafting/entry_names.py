"""What the entry of a table is called."""

import re
from hashlib import blake2b
from typing import Final

from aggregation_pipeline.config.sql.table_names import checked_entry_name

_NAME_LETTERS: Final = 40


def entry_name(table: str) -> str:
    """The table's own name, or one like it where files could not have that."""
    try:
        return checked_entry_name(table)
    except ValueError:
        letters = re.sub(r"[^\w-]+", "_", table)[:_NAME_LETTERS].strip("_")
        return f"{letters or 'table'}_{blake2b(table.encode(), digest_size=3).hexdigest()}"
