"""The one JSON file of all tables of a tick, in the shape that the Node.js service gave it.

{"timestamp": "2026-11-19T18:00:00.000Z", "tables": {
"orders": {"success": true, "recordCount": 2, "data": [
{"status":"paid","revenue":"98231.50"},
{"status":"gone","revenue":null}
], "metadata": {"schema": [...], "totalRecords": 2, "lastUpdated": "2026-11-19T18:00:00.000Z"}},
"users": {"success": false, "error": "...", "recordCount": 0}
}, "summary": {"totalTables": 2, "totalRecords": 2, "successCount": 1, "errorCount": 1},
"outputFiles": [{"type": "json", "fileName": "...", "filePath": "..."}]}
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

from aggregation_pipeline.extract import Dataset
from aggregation_pipeline.formats.common.batches import slices
from aggregation_pipeline.formats.common.field_metadata import source_type
from aggregation_pipeline.formats.common.rows import Escaped, Piece, row_chunks
from aggregation_pipeline.formats.json_file import JSON_ESCAPES
from aggregation_pipeline.formats.node.totals import Totals
from aggregation_pipeline.formats.node.values import NodeColumn, iso_text, node_columns


class NodeDocument:
    """Writes the file, one table after the other."""

    def __init__(self, file: BinaryIO, stamp: datetime, zone: ZoneInfo) -> None:
        """Begin the file.

        Args:
            file: where it is written.
            stamp: the moment of the tick.
            zone: that of the service's process.
        """
        self._file = file
        self._zone = zone
        self._stamp = iso_text(stamp)
        self._between = "\n"
        self._write(f'{{"timestamp": "{self._stamp}", "tables": {{')

    def add(self, table: str, dataset: Dataset) -> None:
        """Write the rows of a table."""
        self._begin(table)
        self._write(f'{{"success": true, "recordCount": {dataset.rows}, "data": [')
        skipped = 1
        for batch in slices(dataset):
            pieces: list[Piece] = []
            columns = node_columns(dataset, batch, self._zone, iso_text)
            for name, column in zip(dataset.schema.names, columns, strict=True):
                pieces += [("," if pieces else ",\n{") + _text(name) + ":", _token(column)]
            for chunk in row_chunks([*pieces, "}"], null="null"):
                # The first row has no comma before it.
                self._file.write(chunk[skipped:])
                skipped = 0
        schema = [{"Field": field.name, "Type": source_type(field).lower()} for field in dataset.schema]
        metadata = {"schema": schema, "totalRecords": dataset.rows, "lastUpdated": self._stamp}
        self._write(f'\n], "metadata": {_text(metadata)}}}')

    def add_failed(self, table: str, error: str) -> None:
        """Write that a table has no rows, and why."""
        self._begin(table)
        self._write(_text({"success": False, "error": error, "recordCount": 0}))

    def end(self, totals: Totals, files: Sequence[Mapping[str, Any]]) -> None:
        """Write what stands behind the tables.

        Args:
            totals: of the tables.
            files: what was written of the tick, this file included.
        """
        self._write(f'\n}}, "summary": {_text(totals.as_written())},\n"outputFiles": {_text(files)}}}\n')

    def _begin(self, table: str) -> None:
        self._write(f"{self._between}{_text(table)}: ")
        self._between = ",\n"

    def _write(self, text: str) -> None:
        self._file.write(text.encode())


def _token(column: NodeColumn) -> Piece:
    if column.kind == "text":
        return '"', Escaped(column.text, JSON_ESCAPES), '"'
    return ('"', column.text, '"') if column.kind == "moment" else column.text


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
