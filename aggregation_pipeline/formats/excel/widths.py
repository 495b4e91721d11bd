"""How wide columns and how high rows of a sheet should be, by what they show."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.column_text import plain_text
from aggregation_pipeline.formats.common.text_bytes import hex_text
from aggregation_pipeline.formats.excel.cell_kinds import CellKind
from aggregation_pipeline.formats.excel.rows import LINE_HEIGHT

_SAMPLE_ROWS = 200
_MIN_WIDTH, _MAX_WIDTH = 8, 60
# A longer title goes on in a second line, where it can be broken: at blanks, and between Chinese characters.
_MAX_TITLE_WIDTH = 24
_UNBROKEN = re.compile("[^\\s\u2e80-\uffff]+")
# What Excel allows, in points.
_MAX_HEIGHT = 409
# Enough to tell two hashes apart, which is all that people do with them.
_HASH_WIDTH = 16
_HASH = re.compile("(?:0x)?[0-9A-Fa-f]{32,}")
# The filter's button covers the end of a title.
_FILTER_BUTTON = 3


@dataclass(frozen=True)
class Width:
    """A width in Excel's unit, the digit. `clipped`: cells show no more than fits, even beside an empty cell."""

    digits: float
    clipped: bool = False


def column_widths(dataset: Dataset, titles: Sequence[str], kinds: Sequence[CellKind]) -> tuple[Width, ...]:
    """Return one width a column, by its title and its first 200 rows."""
    headers = [_title_width(title) for title in titles]
    sample = dataset.head(_SAMPLE_ROWS)
    if sample is None:
        return tuple(Width(float(max(header, _MIN_WIDTH))) for header in headers)
    widths = []
    for column, field, kind, header in zip(sample.columns, dataset.schema, kinds, headers, strict=True):
        texts = [text for text in _shown(column, field, kind) if text]
        if dataset.masks.get(field.name) == "hash" or (texts and all(map(_HASH.fullmatch, texts))):
            widths.append(Width(float(max(header, _HASH_WIDTH)), clipped=True))
            continue
        width = max(header, *(display_width(text) + 1 for text in texts), 0)
        widths.append(Width(float(min(max(width, _MIN_WIDTH), _MAX_WIDTH))))
    return tuple(widths)


def row_height(texts: Sequence[str], widths: Sequence[float]) -> float:
    """Return the height, in points, of a row in which these texts wrap; not every program computes it by itself."""
    lines = [
        sum(-(-max(display_width(line), 1) // int(width)) for line in text.split("\n"))
        for text, width in zip(texts, widths, strict=True)
    ]
    return float(min(max(lines, default=1) * LINE_HEIGHT, _MAX_HEIGHT))


def _title_width(title: str) -> int:
    words = [display_width(word) for word in _UNBROKEN.findall(title)]
    return min(
        display_width(title) + _FILTER_BUTTON, max(_MAX_TITLE_WIDTH, max(words, default=0) + _FILTER_BUTTON), _MAX_WIDTH
    )


def _shown(column: pa.Array, field: pa.Field, kind: CellKind) -> list[str | None]:
    if kind.kind in {"date", "datetime"}:
        return [kind.number_format]
    texts: list[str | None] = (
        hex_text(column) if pa.types.is_binary(field.type) else plain_text(column, field)
    ).to_pylist()
    if "," in kind.number_format:
        # A comma for each three digits before the point.
        return [text and text + "," * ((len(text.partition(".")[0].lstrip("-")) - 1) // 3) for text in texts]
    return texts


def display_width(text: str) -> int:
    """Return the width of the longest line on the screen: Chinese characters and emoji are two wide."""
    lines = text[:1000].splitlines() or [""]
    return max(sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line) for line in lines)
