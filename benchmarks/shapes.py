"""The tables' shapes, and rows for them: the same on every machine, and as independent as random ones.

A value is made of its column's seed and its row's number by a mixing hash (the finaliser of splitmix64). So a table's
first rows are the same whatever its size is, and no column follows from another. A checksum would not do: CRC32 of
consecutive numbers is linear, and columns made with it depend on each other.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

_Bits = npt.NDArray[np.uint64]
_WEYL: Final = 0x9E3779B97F4A7C15
_LETTERS: Final = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", np.uint8)
_CITIES: Final = ("上海", "北京", "广州", "深圳", "杭州", "成都", "武汉", "西安")
_STATUSES: Final = ("paid", "shipped", "refunded", "pending")
_PHRASES: Final = (
    "请尽快发货",
    "周末送达",
    "放在门口，不用敲门",
    "送货前请电话联系",
    "gift, no invoice",
    "发票抬头见附件",
)
_WORDS: Final = 4_096
_WORDS_OF_LONG_TEXT: Final = 300
_SECONDS: Final = 90 * 86_400
# What LOAD DATA reads: NULL is \N, and no value has a tab or a line break.
_NULL: Final = "\\N"


class Noise:
    """Columns of values for rows of these numbers. Each call needs a seed of its own."""

    def __init__(self, ids: _Bits) -> None:
        self._ids = ids

    def bits(self, seed: int) -> _Bits:
        """Return 64 bits a row."""
        bits = self._ids * np.uint64(_WEYL) + _mixed(np.array([seed], np.uint64) * np.uint64(_WEYL))
        return _mixed(bits)

    def below(self, limit: int, seed: int) -> npt.NDArray[np.int64]:
        """Return whole numbers from 0 to `limit` - 1; `limit` is at most 2^31."""
        return ((self.bits(seed) >> np.uint64(32)) * np.uint64(limit) >> np.uint64(32)).astype(np.int64)

    def nulls(self, percent: int, seed: int) -> npt.NDArray[np.bool_]:
        """Return which rows are NULL."""
        return self.below(100, seed) < percent

    def decimals(self, limit: int, seed: int) -> pa.Array:
        """Return DECIMAL with two places, below `limit` hundredths."""
        low = self.below(limit, seed)
        both = np.stack([low, np.zeros_like(low)], axis=1)
        return pa.Array.from_buffers(pa.decimal128(12, 2), len(low), [None, pa.py_buffer(both)])

    def times(self, seed: int) -> pa.Array:
        """Return DATETIME of 90 days."""
        return pa.array(np.datetime64("2026-08-01", "s") + self.below(_SECONDS, seed).astype("timedelta64[s]"))

    def one_of(self, choices: Sequence[str], seed: int) -> pa.Array:
        """Return texts of few values."""
        return pa.array(choices).take(pa.array(self.below(len(choices), seed)))

    def codes(self, shortest: int, longest: int, seed: int) -> pa.Array:
        """Return texts that hardly repeat, of letters and digits and of different lengths."""
        words = [self.bits(1_000_000 + 100 * seed + part) for part in range(-(-longest // 8))]
        letters = _LETTERS[np.stack(words, axis=1).astype("<u8").view(np.uint8) & 63]
        lengths = shortest + self.below(longest - shortest + 1, seed)
        kept = letters[np.arange(letters.shape[1]) < lengths[:, None]]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(offsets), pa.py_buffer(kept))

    def prose(self, words: int, seed: int) -> pa.Array:
        """Return long texts: words of a vocabulary, with spaces."""
        chosen = np.stack([Noise(self._ids * np.uint64(words) + np.uint64(word)).below(_WORDS, seed)
                           for word in range(words)], axis=1)  # fmt: skip
        vocabulary = Noise(np.arange(_WORDS, dtype=np.uint64)).codes(2, 9, seed + 1)
        taken = vocabulary.take(pa.array(chosen.ravel()))
        rows = pa.ListArray.from_arrays(pa.array(np.arange(len(chosen) + 1, dtype=np.int32) * words), taken)
        return pc.binary_join(rows, " ")


def _mixed(bits: _Bits) -> _Bits:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@dataclass(frozen=True)
class Shape:
    """A kind of table: its columns in SQL without the primary key `id`, and what makes their values of rows' numbers.

    `rows_at_once` bounds the memory of making them.
    """

    name: str
    columns: str
    make: Callable[["Noise"], list[pa.Array]]
    rows_at_once: int

    def lines(self, first: int, last: int) -> Iterator[pa.Buffer]:
        """Return the rows of these numbers as LOAD DATA reads them, some at a time."""
        for start in range(first, last + 1, self.rows_at_once):
            ids = np.arange(start, min(start + self.rows_at_once, last + 1), dtype=np.uint64)
            columns = [pa.array(ids), *self.make(Noise(ids))]
            texts = [pc.fill_null(column.cast(pa.string()), _NULL) for column in columns]
            ended = pc.binary_join_element_wise(texts[-1], "", "\n")
            lines = pc.binary_join_element_wise(*texts[:-1], ended, "\t")
            size = np.frombuffer(lines.buffers()[1], np.int32, count=len(lines) + 1)[-1]
            yield lines.buffers()[2].slice(0, int(size))


def _with_nulls(column: pa.Array, nulls: npt.NDArray[np.bool_]) -> pa.Array:
    return pc.if_else(pa.array(nulls), pa.scalar(None, column.type), column)


def _orders(noise: Noise) -> list[pa.Array]:
    notes = pc.binary_join_element_wise(noise.one_of(_PHRASES, 5), noise.codes(4, 24, 6), "：")
    return [
        pa.array(noise.below(50_000, 1)),
        noise.decimals(10_000_000, 2),
        noise.one_of(_CITIES, 3),
        noise.one_of(_STATUSES, 4),
        _with_nulls(notes, noise.nulls(30, 7)),
        noise.times(8),
    ]


# Keys, an amount, text with few and with many values in Chinese and English, NULL in three rows of ten, a time. Days,
# cities and statuses make 2,880 groups.
ORDERS: Final = Shape(
    "orders",
    "user_id INT NOT NULL, amount DECIMAL(12,2) NOT NULL, city VARCHAR(20) NOT NULL, status VARCHAR(12) NOT NULL,"
    " note VARCHAR(120) NULL, created_at DATETIME NOT NULL",
    _orders,
    500_000,
)


# Eight kinds of columns in turn.
_KINDS: Final[tuple[tuple[str, Callable[[Noise, int], pa.Array]], ...]] = (
    ("INT NULL", lambda noise, seed: _with_nulls(pa.array(noise.below(1 << 30, seed)), noise.nulls(10, seed + 1))),
    ("BIGINT NOT NULL", lambda noise, seed: pa.array((noise.bits(seed) >> np.uint64(20)).astype(np.int64))),
    ("DECIMAL(12,2) NULL", lambda noise, seed: _with_nulls(noise.decimals(1_000_000, seed), noise.nulls(20, seed + 1))),
    ("DOUBLE NOT NULL", lambda noise, seed: pa.array(noise.below(1 << 24, seed) / 4_096)),
    ("VARCHAR(20) NOT NULL", lambda noise, seed: noise.one_of(_CITIES, seed)),
    ("VARCHAR(20) NULL", lambda noise, seed: _with_nulls(noise.codes(2, 14, seed), noise.nulls(30, seed + 1))),
    ("DATETIME NOT NULL", lambda noise, seed: noise.times(seed)),
    ("TINYINT NULL", lambda noise, seed: _with_nulls(pa.array(noise.below(100, seed)), noise.nulls(50, seed + 1))),
)


def _wide(noise: Noise) -> list[pa.Array]:
    return [_KINDS[number % len(_KINDS)][1](noise, 1_000 + 10 * number) for number in range(1, 200)]


WIDE: Final = Shape(
    "wide", ", ".join(f"c{number} {_KINDS[number % len(_KINDS)][0]}" for number in range(1, 200)), _wide, 25_000
)


def _long(noise: Noise) -> list[pa.Array]:
    return [noise.times(1), noise.prose(_WORDS_OF_LONG_TEXT, 10)]


# 2 KB a row.
LONG: Final = Shape("long_text", "created_at DATETIME NOT NULL, body TEXT NOT NULL", _long, 20_000)
