"""Names of tables as a user writes them."""

import functools
import re
import unicodedata
from typing import Final, NamedTuple

from aggregation_pipeline.config.messages.likely_causes import NOT_FILLED_IN, foreign_comment, is_template
from aggregation_pipeline.config.messages.secrets import shown_text
from aggregation_pipeline.config.sql.dialect import unquote
from aggregation_pipeline.config.sql.mysql import MYSQL

_PART: Final = re.compile(r"`(?:[^`]|``)+`|[^`.]+")
# MySQL's limit on the name of a database or a table.
_MAX_NAME: Final = 64
# File systems allow names of 255 bytes, and the longest file name ends in .summary.parquet.
_MAX_SEGMENT: Final = 255 - len(".summary.parquet")
_ENCODED: Final = str.maketrans({"%": "%25", "/": "%2F", "\\": "%5C", ":": "%3A"})
_OTHER_NAME: Final = "Give it another name, and the table's by the key table"


class TableName(NamedTuple):
    """A source table; `database` is None where the connection's own is meant."""

    database: str | None
    name: str

    def __str__(self) -> str:
        """`shop.orders`, for messages."""
        return f"{self.database}.{self.name}" if self.database else self.name

    @property
    def sql(self) -> str:
        """The name in backticks, for a query of MySQL; other dialects have `Dialect.quoted`."""
        return MYSQL.quoted(*self)


def has_unprintable(name: str) -> bool:
    """Whether a name holds a character that cannot be seen. Blanks do not count; Chinese names may hold U+3000."""
    return not name.isprintable() and any(
        not letter.isprintable() and unicodedata.category(letter) != "Zs" for letter in name
    )


# While a project is loaded, each entry asks a dozen times for the parts of its table's name.
@functools.lru_cache(maxsize=1_000)
def split_table(text: str) -> TableName:
    """Split `orders` or `shop.orders`; a name that holds a dot needs backticks: `` shop.`v1.orders` ``.

    Raises:
        ValueError: the text has another form, or a name in it is empty or too long.
    """
    if "://" in text and "@" in text:
        raise ValueError("a table as `orders` or `shop.orders` is expected, and this is the URL of a database")
    parts = _PART.findall(text)
    if ".".join(parts) != text or len(parts) not in (1, 2):
        raise ValueError(
            'a table as `orders` or `shop.orders` is expected; a name that holds a dot needs backticks: "`v1.orders`"'
        )
    names = [unquote(part) if part.startswith("`") else part for part in parts]
    for name in names:
        if len(name) > _MAX_NAME or has_unprintable(name) or name.endswith(" "):
            raise ValueError(
                f"a table's name has 1 to {_MAX_NAME} printable characters and does not end in a space; found"
                f" {shown_text(name)[:80]!r}"
            )
    return TableName(names[0] if len(names) == 2 else None, names[-1])


def checked_table(text: str) -> str:
    """The text, if it names a table.

    Raises:
        ValueError: it has another form, or is a template.
    """
    split_table(text)
    if is_template(text):
        raise ValueError(f"a table's name is expected, and this is a template: {NOT_FILLED_IN}")
    return text


# Each window asks for the same few names dozens of times.
@functools.lru_cache(maxsize=1_000)
def segment_problem(part: str) -> str | None:
    """Why a text can be no part of an object's key, or None. Such texts come from errors or attacks."""
    if not part:
        return "has an empty part (a leading '/', a doubled one, or no text at all)"
    if part in {".", ".."}:
        return f"has the part {part!r}, which would point to another folder"
    if not part.isprintable() and any(unicodedata.category(character) in {"Cc", "Cs"} for character in part):
        return "holds a control character or half of a surrogate pair"
    return None


def name_problem(name: str) -> str | None:
    """Why a user's name can be no segment of an object's key, or None. The name may hold `/`, which is encoded."""
    return next(filter(None, map(segment_problem, name.replace("\\", "/").split("/"))), None)


def as_segment(name: str) -> str:
    """A name as a segment of a key: what no segment can hold is percent-encoded, so different names stay different."""
    return name.translate(_ENCODED)


def checked_entry_name(name: str) -> str:
    """The name of an entry, if files and assets can have it.

    Raises:
        ValueError: says what is wrong with the name.
    """
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise ValueError("the name of an entry is printable, not empty, and has no spaces around it")
    if cause := foreign_comment(name):
        raise ValueError(cause)
    if problem := name_problem(name):
        raise ValueError(
            f"the name of an entry is the name of its folder and files, and this one {problem}. {_OTHER_NAME}"
        )
    if (size := len(as_segment(name).encode())) > _MAX_SEGMENT:
        raise ValueError(
            f"the name of an entry is the name of its folder and files, which has at most {_MAX_SEGMENT} bytes in"
            f" UTF-8; this one has {size:,}. {_OTHER_NAME}"
        )
    return name
