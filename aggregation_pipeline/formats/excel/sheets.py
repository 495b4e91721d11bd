"""Sheets without their rows: titles, widths, filter, print layout, totals."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.styles import Alignment, Border, Font, Side
from openpyxl.utils import get_column_letter, quote_sheetname
from openpyxl.workbook import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from aggregation_pipeline.config.options import ExcelOptions
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.field_metadata import adds_up, comment, has_alias
from aggregation_pipeline.formats.excel.cell_kinds import TEXT, CellKind, cell_kinds
from aggregation_pipeline.formats.excel.cell_text import plain_cell_text
from aggregation_pipeline.formats.excel.labels import WORDS
from aggregation_pipeline.formats.excel.rows import LINE_HEIGHT, MAX_LINES, CellStyle
from aggregation_pipeline.formats.excel.widths import Width, column_widths, row_height

# Named like the font of other cells. Without a name, some programs take another font.
BOLD = Font(name="Calibri", sz=11, family=2, bold=True)
# Excel's 1,048,576 less the header.
SHEET_ROWS = 1_048_575
# An empty row and the totals.
_TOTALS_ROWS = 2
_A4 = 9
_WRAPPED = {side: Alignment(horizontal=side, vertical="top", wrap_text=True) for side in ("left", "right")}
# How many digits fit on an upright page of A4 at full size.
_PORTRAIT_WIDTH = 90


@dataclass(frozen=True)
class Columns:
    """How the columns of a dataset look, by their types and first rows."""

    titles: tuple[str, ...]
    kinds: tuple[CellKind, ...]
    widths: tuple[Width, ...]
    styles: tuple[CellStyle, ...]


def columns_of(sheet: Worksheet, dataset: Dataset, options: ExcelOptions) -> Columns:
    """Choose how the columns look, and add their styles to the workbook that has this sheet, whatever sheet it is.

    No number of rows is asked for.
    """
    kinds = cell_kinds(dataset, thousands=options.thousands)
    titles = column_titles(dataset.schema, options)
    widths = column_widths(dataset, titles, kinds)
    looks = [(kind, width.clipped) for kind, width in zip(kinds, widths, strict=True)]
    styles = {look: _cell_style(sheet, *look) for look in dict.fromkeys(looks)}
    return Columns(tuple(titles), kinds, widths, tuple(styles[look] for look in looks))


def add_sheets(workbook: Workbook, dataset: Dataset, columns: Columns, options: ExcelOptions) -> Iterator[int]:
    """Add as many sheets as the rows of the dataset need; yield how many rows each has, titles and totals included."""
    summed = _summed(dataset, columns.kinds, options) if dataset.rows else []
    # A total has more digits than what it adds up.
    extra = {place: len(str(dataset.rows)) + 1 for place in summed}
    widths = [width.digits + extra.get(place, 0) for place, width in enumerate(columns.widths)]
    capacity = sheet_capacity(options)
    areas: list[tuple[str, int]] = []
    name = WORDS[options.language].sheets[dataset.name]
    for start in range(0, max(dataset.rows, 1), capacity):
        rows = min(capacity, dataset.rows - start)
        sheet = workbook.create_sheet(f"{name}_{len(areas) + 1}" if areas else name)
        areas.append((sheet.title, rows))
        _lay_out(sheet, columns, widths, rows)
        totals = bool(summed) and start + rows == dataset.rows
        if totals:
            _add_totals(sheet, areas, summed, columns.kinds, WORDS[options.language].total)
        yield rows + 1 + _TOTALS_ROWS * totals


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


def _lay_out(sheet: Worksheet, columns: Columns, widths: Sequence[float], rows: int) -> None:
    titles = columns.titles
    for column, (title, kind, width) in enumerate(zip(titles, columns.kinds, widths, strict=True), start=1):
        cell = sheet.cell(1, column)
        # openpyxl takes a text that begins with = for a formula unless told otherwise.
        cell.value, cell.data_type = plain_cell_text(title), "s"
        cell.font = BOLD
        cell.alignment = _WRAPPED["right" if kind.kind == "number" else "left"]
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.row_dimensions[1].height = min(row_height(titles, widths), MAX_LINES * LINE_HEIGHT)
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = area(len(titles), rows + 1)
    sheet.print_title_rows = "1:1"
    print_by_width(sheet)


def _cell_style(sheet: Worksheet, kind: CellKind, clipped: bool) -> CellStyle:  # noqa: FBT001 - a part of a look
    if clipped:
        number = _style_number(sheet, kind, Alignment(horizontal="fill"))
        return CellStyle(number, number)
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
