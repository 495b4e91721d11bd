"""What the reader noted on a column: its type in the source, its comment, and whether a sum over it means something.

The notes are the metadata of the Arrow field: `mysql_type` (`source_type` where the source is no
MySQL), `comment`, `alias` and `adds_up`.
"""

import re

import pyarrow as pa

# Types whose values, as text, are digits and marks only.
_TEMPORAL_TYPES = frozenset({"TIME", "DATE", "DATETIME", "TIMESTAMP", "YEAR"})


def mysql_type(field: pa.Field) -> str:
    """Return the MySQL type as the reader noted it, such as `DECIMAL(10,2)`; empty for another source."""
    return str((field.metadata or {}).get(b"mysql_type", b""), "utf-8")


def source_type(field: pa.Field) -> str:
    """Return the type in the source, in the words of its kind; empty where it is not known."""
    return mysql_type(field) or str((field.metadata or {}).get(b"source_type", b""), "utf-8")


def comment(field: pa.Field) -> str:
    """Return the source column's COMMENT on one line; empty unless the output shows that column unchanged."""
    return " ".join(str((field.metadata or {}).get(b"comment", b""), "utf-8").split())


def has_alias(field: pa.Field) -> bool:
    """Whether the entry gave the output a name of its own."""
    return b"alias" in (field.metadata or {})


def adds_up(field: pa.Field) -> bool:
    """Whether a total over the column means something.

    It does for sums and counts. A column of detail rows may hold unit prices, so it counts as not known.
    """
    return b"adds_up" in (field.metadata or {})


def is_temporal_text(field: pa.Field) -> bool:
    """Whether the column is text that the server made of a date or a time.

    TIME reaches 838:59:59 and zero dates have no day, so both may arrive as text. It never holds a person's words.
    """
    return (
        pa.types.is_string(field.type) and re.split(r"\W", source_type(field), maxsplit=1)[0].upper() in _TEMPORAL_TYPES
    )


def float_digits(field: pa.Field) -> int | None:
    """Return D of FLOAT(M,D), DOUBLE(M,D) and figures of them; None where the type declares no digits."""
    declared = re.fullmatch(r"(?:FLOAT|DOUBLE)\(\d+,(\d+)\)", mysql_type(field))
    return int(declared[1]) if declared else None


def is_always_finite(field: pa.Field) -> bool:
    """Whether the source holds no NaN and no infinity in a column of floats: MySQL has neither."""
    return b"mysql_type" in (field.metadata or {})


def fraction_digits(field: pa.Field) -> int:
    """Return the declared digits after the second; Arrow's six where the type is not known."""
    declared = re.fullmatch(r"(?:DATETIME|TIMESTAMP)(?:\((\d)\))?", source_type(field).upper())
    return int(declared[1] or 0) if declared else 6
