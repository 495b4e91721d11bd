"""The sheet that says what the others are, so that a workbook explains itself after it has been mailed around."""

from openpyxl.styles import Alignment
from openpyxl.worksheet.worksheet import Worksheet

from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common.field_metadata import comment, source_type
from aggregation_pipeline.formats.excel.cell_text import plain_cell_text
from aggregation_pipeline.formats.excel.labels import Words
from aggregation_pipeline.formats.excel.sheets import BOLD
from aggregation_pipeline.formats.excel.widths import row_height

_WIDTHS = {"A": 20, "B": 110}
_LABEL = Alignment(vertical="top")
_VALUE = Alignment(wrap_text=True, vertical="top", horizontal="left")


def fill_about(sheet: Worksheet, extract: Extract, words: Words) -> None:
    """Write names and values in two columns. No clock and no run id: the same data gives the same sheet."""
    lines: list[tuple[str, str | int]] = [
        (words.table, extract.table),
        (words.window, extract.window),
        (words.consistency, words.phrase(extract.consistency)),
    ]
    for dataset in extract.datasets:
        name = words.sheets[dataset.name]
        lines += [
            (words.rows.format(name), dataset.rows),
            (words.order.format(name), words.phrase(dataset.order)),
            (words.truncated.format(name), words.cut if dataset.truncated else words.whole),
            (words.columns.format(name), _columns(dataset)),
            *_masks(dataset, words),
            (words.sql.format(name), dataset.sql),
        ]
    for row, (label, value) in enumerate(lines, start=1):
        cell = sheet.cell(row, 1, label)
        cell.font, cell.alignment = BOLD, _LABEL
        cell = sheet.cell(row, 2)
        if isinstance(value, int):
            cell.value = value
        else:
            cell.value, cell.data_type = plain_cell_text(value), "s"
        cell.alignment = _VALUE
        sheet.row_dimensions[row].height = row_height([str(value)], [_WIDTHS["B"]])
    for letter, width in _WIDTHS.items():
        sheet.column_dimensions[letter].width = width


def _masks(dataset: Dataset, words: Words) -> list[tuple[str, str | int]]:
    """Return how personal data is hidden. A dropped column shows in the SQL only."""
    rules = ", ".join(f"{column}: {words.phrase(rule)}" for column, rule in dataset.masks.items())
    return [(words.masks.format(words.sheets[dataset.name]), rules)] if rules else []


def _columns(dataset: Dataset) -> str:
    """Return names and types; one column a line where any column has a comment."""
    typed = [f"{field.name} {source_type(field)}".rstrip() for field in dataset.schema]
    comments = [comment(field) for field in dataset.schema]
    if not any(comments):
        return ", ".join(typed)
    return "\n".join(f"{name}: {text}" if text else name for name, text in zip(typed, comments, strict=True))
