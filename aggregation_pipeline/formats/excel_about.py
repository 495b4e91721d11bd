"""The sheet that says what the others are: so that a workbook still explains itself when it has been mailed around."""

from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.worksheet import Worksheet

from aggregation_pipeline.extract import Extract
from aggregation_pipeline.formats.excel_text import plain_cell_text
from aggregation_pipeline.formats.text import mysql_type


def fill_about(sheet: Worksheet, extract: Extract) -> None:
    """Names and values in two columns. No clock and no run: the same data gives the same sheet."""
    lines: list[tuple[str, str | int]] = [("table", extract.table), ("window", extract.window), ("consistency", extract.consistency)]
    for dataset in extract.datasets:
        lines += [
            (f"{dataset.name} rows", dataset.rows),
            (f"{dataset.name} order", dataset.order),
            (f"{dataset.name} truncated", "yes: the configured limit cut it" if dataset.truncated else "no"),
            (f"{dataset.name} columns", ", ".join(f"{field.name} {mysql_type(field)}".rstrip() for field in dataset.schema)),
            (f"{dataset.name} SQL", dataset.sql),
        ]
    for row, (label, value) in enumerate(lines, start=1):
        sheet.cell(row, 1, label).font = Font(bold=True)
        cell = sheet.cell(row, 2)
        if isinstance(value, int):
            cell.value = value
        else:
            cell.value, cell.data_type = plain_cell_text(value), "s"
        cell.alignment = Alignment(wrap_text=True, vertical="top", horizontal="left")
    sheet.column_dimensions["A"].width = 20
    sheet.column_dimensions["B"].width = 110
