"""The one workbook of all tables of a tick: the sheet 汇总信息, then one for each table that has rows.

Cells are those of SheetJS's json_to_sheet: numbers, text, and dates as `m/d/yy`. Rows are written as they are read, so
a workbook takes no more memory than a batch.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.worksheet.worksheet import Worksheet

from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.batches import slices
from aggregation_pipeline.formats.excel.cell_text import plain_cell_text
from aggregation_pipeline.formats.node.totals import Totals
from aggregation_pipeline.formats.node.values import NodeColumn, iso_text, node_columns

SUMMARY_SHEET: Final = "汇总信息"
_SHEET_ROWS: Final = 1_048_576
_LONGEST_NAME: Final = 31
_NOT_IN_NAMES: Final = re.compile(r"[:\\/?*\[\]]|^'|'$")
_DATE_FORMAT: Final = "m/d/yy"
# Excel takes 1900 for a leap year, so days before this are shown wrongly.
_FIRST_DAY: Final = datetime.fromisoformat("1900-03-01")


class NodeWorkbook:
    """Writes the workbook, one table after the other."""

    def __init__(self, stamp: datetime, zone: ZoneInfo) -> None:
        """Begin the workbook of the tick at `stamp`; `zone` is that of the service's process."""
        self._workbook = Workbook(write_only=True)
        self._summary = self._workbook.create_sheet(SUMMARY_SHEET)
        self._names = {SUMMARY_SHEET.casefold()}
        self._stamp, self._zone = stamp, zone

    def add(self, table: str, dataset: Dataset) -> None:
        """Write the rows of a table; there is no sheet without rows.

        Raises:
            FormatError: it has more rows than a sheet.
        """
        if not dataset.rows:
            return
        if dataset.rows >= _SHEET_ROWS:
            raise FormatError(
                f"table {table!r} has {dataset.rows:,} rows, and a sheet of the workbook of all tables takes"
                f" {_SHEET_ROWS - 1:,}. Give the entry a limit, or leave excel out of compat.node.formats."
            )
        sheet = self._workbook.create_sheet(self._unused_name(table))
        sheet.append([_text_cell(sheet, name) for name in dataset.schema.names])
        for batch in slices(dataset):
            columns = node_columns(dataset, batch, self._zone, self._local_text)
            for row in zip(*(self._cells(sheet, column) for column in columns), strict=True):
                sheet.append(row)

    def save(self, path: Path, totals: Totals) -> None:
        """Write the first sheet, and the file."""
        labels = ("总表数", "总记录数", "成功表数", "失败表数")
        numbers = (totals.tables, totals.records, totals.successes, totals.errors)
        for row in (("汇总时间", iso_text(self._stamp)), *zip(labels, numbers, strict=True)):
            self._summary.append(row)
        self._workbook.save(path)

    def _cells(self, sheet: Worksheet, column: NodeColumn) -> Iterator[object]:
        for text in column.text.to_pylist():
            if text is None:
                yield None
            elif column.kind == "number":
                yield float(text) if "." in text or "e" in text else int(text)
            elif column.kind == "moment" and (local := datetime.fromisoformat(text)) >= _FIRST_DAY:
                cell = WriteOnlyCell(sheet, local)
                cell.number_format = _DATE_FORMAT
                yield cell
            else:
                yield _text_cell(sheet, text)

    def _local_text(self, instant: datetime) -> str:
        return instant.astimezone(self._zone).replace(tzinfo=None).isoformat(" ", timespec="milliseconds")

    def _unused_name(self, table: str) -> str:
        name = _NOT_IN_NAMES.sub("_", table)[:_LONGEST_NAME]
        number = 1
        while name.casefold() in self._names:
            number += 1
            end = f" ({number})"
            name = _NOT_IN_NAMES.sub("_", table)[: _LONGEST_NAME - len(end)] + end
        self._names.add(name.casefold())
        return name


def _text_cell(sheet: Worksheet, text: str) -> object:
    cell = WriteOnlyCell(sheet, plain_cell_text(text))
    cell.data_type = "s"  # also where it begins with =
    return cell
