"""What a window would publish, before anything is sent: rows reconciled, checksums known, keys chosen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.storage.crc64 import crc64_of_file
from aggregation_pipeline.storage.keys import extract_key, window_key
from aggregation_pipeline.storage.manifest import Manifest, ManifestColumn, ManifestDataset, ManifestExtract, ManifestFile

if TYPE_CHECKING:  # a store needs the shape of what it publishes, not the libraries that render it
    from aggregation_pipeline.formats.files import RenderedFile

_PARQUET = "application/vnd.apache.parquet"
# The key under which a dataset of this name, size and checksum is stored already, if it is.
Finder = Callable[[str, int, str], str | None]


@dataclass(frozen=True)
class Upload:
    """A local file and the object that it is to become."""

    path: Path
    key: str
    bytes: int
    crc64: str
    media_type: str
    filename: str
    metadata: dict[str, str]


def reconcile(extract: Extract, files: "Sequence[RenderedFile]") -> None:
    """FormatError unless every file holds exactly the rows of its dataset(s), and is the file that was rendered."""
    rows = {dataset.name: dataset.rows for dataset in extract.datasets}
    wrong = []
    for file in files:
        expected = sum(rows.values()) if file.dataset == "all" else rows.get(file.dataset)
        if expected is None:
            wrong.append(f"{file.name} holds dataset {file.dataset}, which the extract does not have")
        elif file.rows != expected:
            wrong.append(f"{file.name} ({file.format}) holds {file.rows} rows where the extract has {expected}")
        elif (size := file.path.stat().st_size) != file.bytes:
            wrong.append(f"{file.name} has {size} bytes on disk where {file.bytes} were rendered")
    names = [file.name for file in files]
    wrong += [f"{name} was rendered twice" for name in sorted({name for name in names if names.count(name) > 1})]
    if wrong:
        raise FormatError(
            f"Table {extract.table!r}, window {extract.window}: the files are not what was read from the database: {'; '.join(wrong)}. "
            "Nothing was published. This is a defect of the format, not of the data: please report it with the table's columns."
        )


def plan_datasets(
    prefix: str, extract: Extract, run_id: str, old: Manifest | None, *, keep: bool, stored: Finder
) -> tuple[tuple[ManifestDataset, ...], list[Upload]]:
    """Manifest entries of the datasets, and their extracts as uploads (none unless `keep`).

    An extract equal to the one that the old manifest names, or to one that a killed run `stored`, keeps its key: the same data is not
    stored once per run.
    """
    known = {dataset.name: dataset.extract for dataset in old.datasets} if old else {}
    datasets, uploads = [], []
    for dataset in extract.datasets:
        size, checksum = crc64_of_file(dataset.path)
        key = extract_key(prefix, extract.table, extract.window, run_id, dataset.name) if keep else None
        before = known.get(dataset.name)
        if keep and before and before.key and (before.bytes, before.crc64) == (size, checksum):
            key = before.key
        elif keep:
            key = stored(dataset.name, size, checksum) or key
        if key:
            metadata = _metadata(extract, dataset.rows, checksum)
            uploads.append(Upload(dataset.path, key, size, checksum, _PARQUET, f"{extract.table}.{dataset.name}.extract.parquet", metadata))
        datasets.append(_entry(dataset, ManifestExtract(key=key, bytes=size, crc64=checksum)))
    return tuple(datasets), uploads


def plan_files(
    prefix: str, extract: Extract, files: "Sequence[RenderedFile]", old: Manifest | None, *, version: str | None
) -> tuple[list[ManifestFile], list[Upload]]:
    """Manifest entries of the files, and the same as uploads; with `version`, unchanged files stay where an earlier run put them."""
    known = {file.name: file for file in old.files} if old and version is not None else {}
    entries, uploads = [], []
    for file in files:
        size, checksum = crc64_of_file(file.path)
        key = window_key(prefix, extract.table, extract.window, file.name, version=version)
        before = known.get(file.name)
        if before and (before.bytes, before.crc64) == (size, checksum):
            key = before.key
        entry = ManifestFile(
            key=key,
            name=file.name,
            format=file.format,
            dataset=file.dataset,
            rows=file.rows,
            bytes=size,
            crc64=checksum,
            media_type=file.media_type,
            notes=dict(file.notes),
        )
        entries.append(entry)
        uploads.append(Upload(file.path, key, size, checksum, file.media_type, file.name, _metadata(extract, file.rows, checksum)))
    return entries, uploads


def _entry(dataset: Dataset, extract: ManifestExtract) -> ManifestDataset:
    return ManifestDataset(
        name=dataset.name,
        rows=dataset.rows,
        sql=dataset.sql,
        order=dataset.order,
        truncated=dataset.truncated,
        zero_dates=dict(dataset.zero_dates),
        masks=dict(dataset.masks),
        columns=tuple(ManifestColumn(name=field.name, type=str(field.type)) for field in dataset.schema),
        extract=extract,
    )


def _metadata(extract: Extract, rows: int, checksum: str) -> dict[str, str]:
    return {"table": extract.table, "window": extract.window, "rows": str(rows), "crc64": checksum}
