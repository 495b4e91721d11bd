"""What may be repeated from a server's message: the user's own words and names of the database.

Everything else in a message may be the value of a cell.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from aggregation_pipeline.config.table_entry import TableEntry

_WORD: Final = re.compile(r"[\w$]+")
# 'name', "name", `name`.`name`, and the functions that stand there without quotes.
_QUOTED: Final = re.compile(r"((?:`[^`]+`\.)*`[^`]+`)|'([^']+)'|\"([^\"]+)\"|\b(?:FUNCTION|PROCEDURE) ([^\s'\"`]+)")
_LAST: Final = re.compile(r"`([^`]+)`(?!\.)")
# An account that is not the user of the settings is not repeated.
_ACCOUNT: Final = re.compile(r"'[^']*'@'[^']*'")
_SHORTEST: Final = 3
_INSIDE: Final = re.compile(r"[\w$]{2}")
_MARKS: Final = re.compile(r"[\w$ '\"`&|!.,()-]*")


@dataclass(frozen=True)
class QuotableNames:
    """Names and texts that are safe to show, because they hold no data.

    Attributes:
        user: of the settings; empty if it is not known.
        names: the spelling of each name, by the name in lower case.
        texts: whole texts of the entry, such as its expressions.
    """

    user: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, *, user: str, database: str, entry: TableEntry | None = None) -> "QuotableNames":
        """Collect the names in the settings and in an entry; the user wrote every word of it, its SQL included."""
        texts = () if entry is None else tuple(dict.fromkeys(_texts(entry.model_dump())))
        words = (word for text in texts for word in _WORD.findall(text))
        return cls(user, texts=texts).plus((database, *words, *texts))

    def plus(self, names: Iterable[str]) -> "QuotableNames":
        """Return the same with more names of the database, such as columns."""
        return replace(self, names={name.casefold(): name for name in names if name} | dict(self.names))

    def named(self, message: str) -> tuple[str, ...]:
        """Return the names that a message quotes and that are known, in order: `orders.price`, `price`."""
        text = _ACCOUNT.sub("", message)
        quoted = [next(filter(None, groups)).replace("`", "") for groups in _QUOTED.findall(text)]
        found = (self._spelled(written) for written in (*quoted, *_LAST.findall(text)))
        return tuple(dict.fromkeys(name for name in found if name))

    def beginning(self, text: str) -> str:
        """Return as much of the beginning of a text as the entry contains; whole words only."""
        for end in range(len(text), _SHORTEST - 1, -1):
            if not _INSIDE.match(text, end - 1) and any(text[:end] in own for own in self.texts):
                return text[:end].strip()
        return ""

    def consists_of(self, message: str, vocabulary: frozenset[str]) -> bool:
        """Whether a message consists of words of the vocabulary and known names, and of nothing else."""
        return _MARKS.fullmatch(message) is not None and all(
            word.casefold() in vocabulary or word.casefold() in self.names for word in _WORD.findall(message)
        )

    def _spelled(self, written: str) -> str:
        if whole := self.names.get(written.casefold()):
            return whole
        parts = [self.names.get(part.casefold(), "") for part in written.split(".")]
        return ".".join(parts) if all(parts) else ""


NOTHING_QUOTABLE: Final = QuotableNames()


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _texts(item)
