"""What is in a file, whatever compresses it: to look for what must not be there."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq


def contents(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file, and what Parquet or a workbook hold compressed."""
    yield path.read_bytes()
    if path.suffix == ".parquet":
        yield str(pq.read_table(path).to_pylist()).encode()
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
