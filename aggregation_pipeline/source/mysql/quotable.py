"""What may be repeated of a server's message: the user's own words, and names of the database. All else in it may be a
cell's value.
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
# Whoever is not the user of the settings is nobody whom we know.
_ACCOUNT: Final = re.compile(r"'[^']*'@'[^']*'")
_SHORTEST: Final = 3
_INSIDE: Final = re.compile(r"[\w$]{2}")
_MARKS: Final = re.compile(r"[\w$ '\"`&|!.,()-]*")


@dataclass(frozen=True)
class QuotableNames:
    """Texts that are safe to show, because nobody's data is in them.

    Attributes:
        user: of the settings; empty where that is not known.
        names: as they are written, by themselves in lower case.
        texts: of the entry, whole.
    """

    user: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    texts: tuple[str, ...] = ()

    @classmethod
    def of(cls, *, user: str, database: str, entry: TableEntry | None = None) -> "QuotableNames":
        """What the settings and an entry say; every word of the entry is the user's own, those of its SQL included."""
        texts = () if entry is None else tuple(dict.fromkeys(_texts(entry.model_dump())))
        words = (word for text in texts for word in _WORD.findall(text))
        return cls(user, texts=texts).plus((database, *words, *texts))

    def plus(self, names: Iterable[str]) -> "QuotableNames":
        """The same with further names of the database, such as columns."""
        return replace(self, names={name.casefold(): name for name in names if name} | dict(self.names))

    def named(self, message: str) -> tuple[str, ...]:
        """The known names that a message quotes, in order, as we write them: `orders.price`, `price`."""
        text = _ACCOUNT.sub("", message)
        quoted = [next(filter(None, groups)).replace("`", "") for groups in _QUOTED.findall(text)]
        found = (self._spelled(written) for written in (*quoted, *_LAST.findall(text)))
        return tuple(dict.fromkeys(name for name in found if name))

    def beginning(self, text: str) -> str:
        """As much of the beginning of a text as stands in the entry; whole words only."""
        for end in range(len(text), _SHORTEST - 1, -1):
            if not _INSIDE.match(text, end - 1) and any(text[:end] in own for own in self.texts):
                return text[:end].strip()
        return ""

    def consists_of(self, message: str, vocabulary: frozenset[str]) -> bool:
        """Whether each word of a message is in the vocabulary or a known name, and nothing else stands between."""
        return _MARKS.fullmatch(message) is not None and all(
            word.casefold() in vocabulary or word.casefold() in self.names for word in _WORD.findall(message)
        )

    def _spelled(self, written: str) -> str:
        if whole := self.names.get(written.casefold()):
            return whole
        parts = [self.names.get(part.casefold(), "") for part in written.split(".")]
        return ".".join(parts) if all(parts) else ""


NOTHING: Final = QuotableNames()


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
