"""Sizes and rows as Dagster's UI shows them."""

from typing import Final

import pyarrow as pa

from aggregation_pipeline.formats.common.column_text import shown_text

_UNITS: Final = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
_MAX_CELL_CHARACTERS: Final = 80


def readable_size(size: int) -> str:
    """Return a number of bytes for people: `1.2 MiB`. The UI shows a plain number as a row of digits."""
    amount, units = float(size), iter(_UNITS)
    unit = next(units)
    while amount >= 1023.95 and (larger := next(units, None)):
        amount, unit = amount / 1024, larger
    return f"{size:,} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def markdown_table(table: pa.Table) -> str:
    """Lay out a few rows as Markdown. NULL is in italics, to tell it from the text NULL.

    The files are published by now, so this must not fail: it makes no Python objects of cells, because some values have
    none.
    """
    if not table.num_rows:
        return "*no rows*"
    columns = [
        shown_text(column.combine_chunks(), field).to_pylist()
        for column, field in zip(table.columns, table.schema, strict=True)
    ]
    lines = [[markdown_cell(name) for name in table.column_names], ["---"] * table.num_columns]
    lines += [["*NULL*" if cell is None else markdown_cell(cell) for cell in row] for row in zip(*columns, strict=True)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def markdown_cell(text: str) -> str:
    """Escape a text for a cell of a Markdown table, and shorten it."""
    text = text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
    return text if len(text) <= _MAX_CELL_CHARACTERS else f"{text[: _MAX_CELL_CHARACTERS - 1]}…"
