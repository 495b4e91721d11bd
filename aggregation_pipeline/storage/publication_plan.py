"""What a window would publish, before anything is sent: rows compared, checksums known, keys chosen."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow.parquet as pq

from aggregation_pipeline.config.format_names import PARQUET_MEDIA_TYPE
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.storage.crc64 import crc64_of_file
from aggregation_pipeline.storage.keys import extract_key, window_key
from aggregation_pipeline.storage.manifest import (
    Manifest,
    ManifestColumn,
    ManifestDataset,
    ManifestExtract,
    ManifestFile,
)

if TYPE_CHECKING:  # a store needs the shape of what it publishes, not the libraries that render it
    from aggregation_pipeline.formats.common.file_format import RenderedFile


class Content(NamedTuple):
    """Size and checksum: what tells one content from another."""

    bytes: int
    crc64: str


# Given keys and the content that each should have, returns the keys whose objects have it.
KeysWithContent = Callable[[Mapping[str, Content]], Collection[str]]


@dataclass(frozen=True)
class Upload:
    """A local file and the object that it is to become."""

    path: Path
    key: str
    content: Content
    media_type: str
    filename: str
    metadata: dict[str, str]


@dataclass(frozen=True)
class PublicationPlan:
    """What the manifest of `publication` is to name, and what has to be sent for it: files first, then extracts."""

    publication: str
    datasets: tuple[ManifestDataset, ...]
    files: tuple[ManifestFile, ...]
    uploads: tuple[Upload, ...]


def refuse_wrong_files(extract: Extract, files: "Sequence[RenderedFile]") -> None:
    """Prove that every file holds exactly the rows of its dataset(s), and is the file that was rendered.

    So does the extract, which nothing needs to have read since it was written.

    Raises:
        FormatError: one does not.
    """
    rows = {dataset.name: dataset.rows for dataset in extract.datasets}
    stored = {dataset.name: pq.read_metadata(dataset.path).num_rows for dataset in extract.datasets}
    wrong = [
        f"the extract of {name} holds {count} rows where {rows[name]} were read"
        for name, count in stored.items()
        if count != rows[name]
    ]
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
            f"Table {extract.table!r}, window {extract.window}: the files are not what was read from the database:"
            f" {'; '.join(wrong)}. Nothing was published. This is a defect of the format, not of the data: please"
            " report it with the table's columns."
        )


def plan_publication(
    prefix: str,
    extract: Extract,
    files: "Sequence[RenderedFile]",
    publication: str,
    old: Manifest | None,
    *,
    partial: bool,
    unchanged: KeysWithContent,
) -> PublicationPlan:
    """Plan what `publication` is to hold. Objects of `old`, the manifest in force, stay where their content is equal.

    With `partial`, files of formats that are not among `files` stay too, if they were made from the same data by the
    extracts' checksums: a manifest never mixes two states of a table.
    """
    contents: dict[str, Content] = {dataset.name: Content(*crc64_of_file(dataset.path)) for dataset in extract.datasets}
    rendered = {file.name: Content(*crc64_of_file(file.path)) for file in files}
    stored = {dataset.name: dataset.extract for dataset in old.datasets} if old else {}
    named = {file.name: file for file in old.files} if old else {}
    others = _files_of_other_formats(old, files) if old and partial and _is_same_data(old, contents) else []
    candidates: list[ManifestFile | ManifestExtract] = [
        *others,
        *(stored[name] for name, content in contents.items() if name in stored and _content(stored[name]) == content),
        *(named[name] for name, content in rendered.items() if name in named and _content(named[name]) == content),
    ]
    staying = unchanged({candidate.key: _content(candidate) for candidate in candidates})
    datasets, entries, uploads = [], [other for other in others if other.key in staying], []
    for file in files:
        content, before = rendered[file.name], named.get(file.name)
        if before is not None and before.key in staying:
            key = before.key
        else:
            key = window_key(prefix, extract.table, extract.window, file.name, publication=publication)
            metadata = _metadata(extract, file.rows, content)
            uploads.append(Upload(file.path, key, content, file.media_type, file.name, metadata))
        entries.append(_file_entry(file, key, content))
    for dataset in extract.datasets:
        content, kept = contents[dataset.name], stored.get(dataset.name)
        if kept is not None and kept.key in staying:
            key = kept.key
        else:
            key = extract_key(prefix, extract.table, extract.window, publication, dataset.name)
            uploads.append(_extract_upload(extract, dataset, key, content))
        datasets.append(_dataset_entry(dataset, ManifestExtract(key=key, bytes=content.bytes, crc64=content.crc64)))
    files_by_name = tuple(sorted(entries, key=lambda entry: entry.name))
    return PublicationPlan(publication, tuple(datasets), files_by_name, tuple(uploads))


def _is_same_data(old: Manifest, contents: Mapping[str, Content]) -> bool:
    before = {dataset.name: dataset.extract.crc64 for dataset in old.datasets}
    return before == {name: content.crc64 for name, content in contents.items()}


def _files_of_other_formats(old: Manifest, files: "Sequence[RenderedFile]") -> list[ManifestFile]:
    formats, names = {file.format for file in files}, {file.name for file in files}
    return [file for file in old.files if file.format not in formats and file.name not in names]


def _content(named: ManifestFile | ManifestExtract) -> Content:
    return Content(named.bytes, named.crc64)


def _file_entry(file: "RenderedFile", key: str, content: Content) -> ManifestFile:
    return ManifestFile(
        key=key,
        name=file.name,
        format=file.format,
        dataset=file.dataset,
        rows=file.rows,
        bytes=content.bytes,
        crc64=content.crc64,
        media_type=file.media_type,
        notes=dict(file.notes),
    )


def _dataset_entry(dataset: Dataset, extract: ManifestExtract) -> ManifestDataset:
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


def _extract_upload(extract: Extract, dataset: Dataset, key: str, content: Content) -> Upload:
    filename = f"{extract.table}.{dataset.name}.extract.parquet"
    metadata = _metadata(extract, dataset.rows, content)
    return Upload(dataset.path, key, content, PARQUET_MEDIA_TYPE, filename, metadata)


def _metadata(extract: Extract, rows: int, content: Content) -> dict[str, str]:
    return {"table": extract.table, "window": extract.window, "rows": str(rows), "crc64": content.crc64}
