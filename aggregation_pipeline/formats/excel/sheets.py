"""Sheets without their rows: titles, widths, filter, print layout, totals."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Border, Side
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from aggregation_pipeline.config.options import ExcelOptions
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.field_metadata import adds_up, comment, has_alias
from aggregation_pipeline.formats.excel.cell_kinds import TEXT, CellKind, cell_kinds
from aggregation_pipeline.formats.excel.cell_text import BOLD, plain_cell_text
from aggregation_pipeline.formats.excel.labels import WORDS
from aggregation_pipeline.formats.excel.rows import LINE_HEIGHT, MAX_LINES, CellStyle
from aggregation_pipeline.formats.excel.widths import Width, column_widths, row_height

# Excel's 1,048,576 less the header.
SHEET_ROWS = 1_048_575
# An empty row and the totals.
_TOTALS_ROWS = 2
_A4 = 9
# How many digits fit on an upright page of A4 at full size.
_PORTRAIT_WIDTH = 90


@dataclass(frozen=True)
class SheetPart:
    """The part of a dataset that one sheet holds. `height` counts all its rows, titles and totals included."""

    dataset: Dataset
    kinds: tuple[CellKind, ...]
    styles: tuple[CellStyle, ...]
    rows: int
    height: int
    is_last: bool


def add_sheets(workbook: Workbook, dataset: Dataset, options: ExcelOptions) -> Iterator[SheetPart]:
    """Add as many sheets as the rows of the dataset need."""
    kinds = cell_kinds(dataset, thousands=options.thousands)
    titles = column_titles(dataset.schema, options)
    summed = _summed(dataset, kinds, options) if dataset.rows else []
    # A total has more digits than what it adds up.
    extra = {place: len(str(dataset.rows)) + 1 for place in summed}
    widths = [
        replace(width, digits=width.digits + extra.get(place, 0))
        for place, width in enumerate(column_widths(dataset, titles, kinds))
    ]
    capacity = sheet_capacity(options)
    areas: list[tuple[str, int]] = []
    name = WORDS[options.language].sheets[dataset.name]
    for start in range(0, max(dataset.rows, 1), capacity):
        rows = min(capacity, dataset.rows - start)
        sheet = workbook.create_sheet(f"{name}_{len(areas) + 1}" if areas else name)
        areas.append((sheet.title, rows))
        _lay_out(sheet, titles, kinds, widths, rows)
        is_last = start + rows == dataset.rows
        totals = is_last and bool(summed)
        if totals:
            _add_totals(sheet, areas, summed, kinds, WORDS[options.language].total)
        styles = tuple(_cell_style(sheet, kind, width) for kind, width in zip(kinds, widths, strict=True))
        yield SheetPart(dataset, kinds, styles, rows, rows + 1 + _TOTALS_ROWS * totals, is_last)


def sheet_capacity(options: ExcelOptions) -> int:
    """Return how many rows of data a sheet holds."""
    return SHEET_ROWS - _TOTALS_ROWS if options.totals else SHEET_ROWS


def column_titles(schema: pa.Schema, options: ExcelOptions) -> list[str]:
    """Return each column's title: its name or its comment. Equal comments have the names behind them."""
    if options.labels == "name":
        return list(schema.names)
    choices = [_title_choices(field) for field in schema]
    titles = [choice.pop(0) for choice in choices]
    # This ends with the names at the latest, because all names differ.
    while equal := [title for title, times in Counter(title.casefold() for title in titles).items() if times > 1]:
        titles = [
            choice.pop(0) if choice and title.casefold() in equal else title
            for title, choice in zip(titles, choices, strict=True)
        ]
    return titles


def _title_choices(field: pa.Field) -> list[str]:
    """Return the titles that a column may have, the best first."""
    label = "" if has_alias(field) else comment(field)
    return [label, f"{label} ({field.name})", field.name] if label and label != field.name else [field.name]


def area(columns: int, height: int) -> str:
    """Return the range of so many columns and rows from the first cell on."""
    return f"A1:{get_column_letter(columns)}{height}"


def print_by_width(sheet: Worksheet) -> None:
    """Fit the sheet's width onto one printed page: upright where that can be read, else landscape."""
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.page_setup.paperSize = _A4
    wide = sum(dimension.width for dimension in sheet.column_dimensions.values()) > _PORTRAIT_WIDTH
    sheet.page_setup.orientation = "landscape" if wide else "portrait"
    sheet.oddFooter.left.text = "&A"
    sheet.oddFooter.right.text = "&P / &N"


def _lay_out(
    sheet: Worksheet, titles: Sequence[str], kinds: Sequence[CellKind], widths: Sequence[Width], rows: int
) -> None:
    for column, (title, kind, width) in enumerate(zip(titles, kinds, widths, strict=True), start=1):
        cell = sheet.cell(1, column)
        # openpyxl takes a text that begins with = for a formula unless told otherwise.
        cell.value, cell.data_type = plain_cell_text(title), "s"
        cell.font = BOLD
        cell.alignment = Alignment(
            horizontal="right" if kind.kind == "number" else "left", vertical="top", wrap_text=True
        )
        sheet.column_dimensions[get_column_letter(column)].width = width.digits
    sheet.row_dimensions[1].height = min(
        row_height(titles, [width.digits for width in widths]), MAX_LINES * LINE_HEIGHT
    )
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = area(len(titles), rows + 1)
    sheet.print_title_rows = "1:1"
    print_by_width(sheet)


def _cell_style(sheet: Worksheet, kind: CellKind, width: Width) -> CellStyle:
    if width.clipped:
        clipped = _style_number(sheet, kind, Alignment(horizontal="fill"))
        return CellStyle(clipped, clipped)
    plain = _style_number(sheet, kind, None)
    if kind is not TEXT:
        return CellStyle(plain, plain)
    # Without wrapping, the lines of a cell would be drawn over the row above.
    return CellStyle(plain, _style_number(sheet, kind, Alignment(vertical="top", wrap_text=True)))


def _style_number(sheet: Worksheet, kind: CellKind, alignment: Alignment | None) -> int:
    """Return the workbook's number for a style; openpyxl assigns it to the first cell with that style."""
    cell = WriteOnlyCell(sheet)
    cell.number_format = kind.number_format
    if alignment is not None:
        cell.alignment = alignment
    return int(cell.style_id)


def _summed(dataset: Dataset, kinds: Sequence[CellKind], options: ExcelOptions) -> list[int]:
    """Return the columns to add up, by their places from 0."""
    numbers = [place for place, kind in enumerate(kinds) if kind.kind == "number"]
    if isinstance(options.totals, tuple):
        return [place for place in numbers if dataset.schema.names[place] in options.totals]
    return [place for place in numbers if options.totals and adds_up(dataset.schema.field(place))]


def _add_totals(
    sheet: Worksheet, areas: Sequence[tuple[str, int]], summed: Sequence[int], kinds: Sequence[CellKind], word: str
) -> None:
    """Add a row of formulas, an empty row below the data, so that no filter and no pivot table takes it for data.

    SUBTOTAL leaves out the rows that a filter hides. Excel computes the formulas when it opens the file.
    """
    row = areas[-1][1] + 1 + _TOTALS_ROWS
    for place in summed:
        letter = get_column_letter(place + 1)
        ranges = [f"{quote_sheetname(name)}!{letter}2:{letter}{rows + 1}" for name, rows in areas[:-1]]
        ranges.append(f"{letter}2:{letter}{areas[-1][1] + 1}")
        cell = sheet.cell(row, place + 1, "=" + "+".join(f"SUBTOTAL(9,{each})" for each in ranges))
        cell.number_format = kinds[place].number_format
        _format_as_total(cell)
    free = next((place for place in range(len(kinds)) if place not in summed), None)
    if free is None:
        # Every column has a total: the word "total" goes into the number format of the first.
        first = sheet.cell(row, 1)
        first.number_format = f'"{word} "{first.number_format}'
    else:
        _format_as_total(sheet.cell(row, free + 1, word))


def _format_as_total(cell: Cell) -> None:
    cell.font = BOLD
    cell.border = Border(top=Side(style="thin"))
