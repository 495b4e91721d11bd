"""How wide the columns of a sheet should be: as their first rows need, within reason."""

import unicodedata
from itertools import islice

from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.batches import slices
from aggregation_pipeline.formats.excel_rows import TEXT, CellKind
from aggregation_pipeline.formats.text import hex_text, plain_text

_SAMPLE = 200
_NARROWEST, _WIDEST = 8, 60
# The filter's button covers the end of a header.
_BUTTON = 3


def column_widths(dataset: Dataset, kinds: tuple[CellKind, ...]) -> tuple[float, ...]:
    """Widths in Excel's unit, the digit, from the header and the first 200 rows."""
    widths = [display_width(name) + _BUTTON for name in dataset.schema.names]
    for batch in islice(slices(dataset), 1):
        sample = batch.slice(0, _SAMPLE)
        for i, (column, field, kind) in enumerate(zip(sample.columns, dataset.schema, kinds, strict=True)):
            if kind is not TEXT and kind.kind != "number":
                texts = [kind.number_format]
            elif field.type == "binary":
                texts = hex_text(column).to_pylist()
            else:
                texts = plain_text(column, field).to_pylist()
            widths[i] = max(widths[i], *(display_width(text or "") + 1 for text in texts))
    return tuple(float(min(max(width, _NARROWEST), _WIDEST)) for width in widths)


def display_width(text: str) -> int:
    """Columns that the longest line takes on the screen: Chinese characters and emoji are two wide."""
    lines = text[:1000].splitlines() or [""]
    return max(sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in line) for line in lines)
