"""Makes of both sides' cells the texts that are compared and shown: None is NULL, a number keeps its digits."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

import pyarrow as pa

from aggregation_pipeline.comparison.old.cells import Cell, Number, canonical_json, read_json
from aggregation_pipeline.comparison.values.kinds import NUMERIC, TEMPORAL, Column
from aggregation_pipeline.comparison.values.moments import of_serial
from aggregation_pipeline.node_files.names import NodeFormat

Texts = list[str | None]
# Stands for an old cell whose mask cannot be applied to what the file has.
UNKNOWN: Final = "\x00"
# As drivers of PostgreSQL read them.
_BOOLEANS: Final = {"true": "1", "false": "0"}
_BUFFER_KEYS: Final = {"type", "data"}


def our_texts(column: Column, values: pa.Array) -> Texts:
    """Return the texts of one column of ours, shape (n,)."""
    found = values.to_pylist()
    write = _writer(column)
    return [None if value is None else write(value) for value in found]


def _writer(column: Column) -> Callable[[object], str]:
    if column.kind in {"bytes", "shape"}:
        return lambda value: f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
    if column.kind in {"double", "float"}:
        return repr
    if column.kind == "integer":
        return lambda value: str(int(value)) if isinstance(value, bool) else str(value)
    return lambda value: value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def old_text(column: Column, cell: Cell, old_format: NodeFormat) -> str | None:
    """Return the text of one cell of an old file."""
    if cell is None:
        return None
    if isinstance(cell, Number):
        serial = of_serial(float(cell)) if old_format == "excel" and column.kind in TEMPORAL else None
        return serial or str(cell)
    if column.mask and _is_object(cell, old_format):
        return UNKNOWN
    if isinstance(cell, bool):
        return str(int(cell)) if column.kind in NUMERIC else str(cell).lower()
    if isinstance(cell, str):
        return _text(column, cell)
    return _buffer_text(column, cell) or canonical_json(cell)


def _is_object(cell: Cell, old_format: NodeFormat) -> bool:
    """Whether an object stands there, of which nobody knows the text that a mask took."""
    if not isinstance(cell, str):
        return isinstance(cell, (Mapping, list))
    if old_format != "csv" or not cell.startswith(("{", "[")):
        return False
    try:
        read_json(cell)
    except ValueError:
        return cell == "[object Object]"
    return True


def _text(column: Column, text: str) -> str:
    """The text of an object that json2csv wrote as JSON, and the number of a boolean; any other text as it is."""
    if column.kind == "integer":
        return _BOOLEANS.get(text, text)
    if column.kind not in {"bytes", "bits", "json"} or not text.startswith(("{", "[")) or text == "[object Object]":
        return text
    try:
        value = read_json(text)
    except ValueError:
        return text
    return _buffer_text(column, value) or (canonical_json(value) if column.kind == "json" else text)


def _buffer_text(column: Column, value: object) -> str | None:
    """The bytes of a Buffer, as JSON.stringify writes one, or the number that its bits are; None for anything else."""
    if not isinstance(value, Mapping) or set(value) != _BUFFER_KEYS or value["type"] != "Buffer":
        return None
    data = value["data"]
    if not isinstance(data, Sequence):
        return None
    try:
        found = bytes(int(str(each)) for each in data)
    except ValueError:
        return None
    return str(int.from_bytes(found)) if column.kind == "bits" else f"0x{found.hex()}"


class OldMasks:
    """Masks old cells as ours are, so that they can be compared and are never stored or shown as they were."""

    def __init__(self, salt: bytes) -> None:
        self._salt = salt

    def masked(self, column: Column, texts: Sequence[str | None]) -> Texts:
        """Return the masked texts, shape (n,); `UNKNOWN` where the mask cannot be applied."""
        from aggregation_pipeline.source.masking import hash_cells, partial_text

        if column.mask == "hash" and not self._salt:
            return [None if text is None else UNKNOWN for text in texts]
        # JSON may hold half of a character, which no text of ours does.
        whole = [text if text is None else text.encode(errors="replace").decode() for text in texts]
        array = pa.array(whole, pa.string())
        if column.mask == "hash":
            masked: Texts = hash_cells(array.cast(pa.binary()), self._salt).to_pylist()
        else:
            masked = partial_text(array, addresses=column.is_plain).to_pylist()
        return [UNKNOWN if text == UNKNOWN else each for text, each in zip(texts, masked, strict=True)]
