"""One table, one window, from the database to its manifest: the core of the pipeline, which knows nothing of Dagster.

read (one snapshot) -> render -> publish -> manifest
"""

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import pyarrow as pa
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_chain, wait_fixed, wait_random

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import CheckError, FormatError, StorageBusyError, StorageDamagedError, StorageError
from aggregation_pipeline.export.caveats import dataset_notes
from aggregation_pipeline.export.checks import (
    ALWAYS,
    FORMATS_RECONCILED,
    CheckResult,
    counted_dataset,
    judge,
    names_result,
)
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.registry import RenderedFile, render
from aggregation_pipeline.source.mysql.connection import SourceOptions
from aggregation_pipeline.source.mysql.reader import read_extract
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.lock import Lock
from aggregation_pipeline.storage.manifest import Manifest, ManifestCheck, ManifestFile
from aggregation_pipeline.storage.publication import reconcile
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.published import fetch_extract, latest_window, load_manifest, published_windows
from aggregation_pipeline.storage.stable_names import misnamed
from aggregation_pipeline.tempfiles.working_directory import working_directory

PREVIEW_ROWS: Final = 10
# Seconds before publishing is tried again, besides the store's own patience with each request: a long reading is worth
# waiting for.
PAUSES: Final = (2.0, 6.0, 18.0, 54.0)


class Observer(Protocol):
    """Who is told how a window is getting on."""

    def rows(self, dataset: str, done: int, total: int | None) -> None:
        """Rows of `dataset` read so far; `total` is None where only the end will tell."""

    def step(self, text: str) -> None:
        """Something is done, or about to be: one line for people."""

    def warn(self, text: str) -> None:
        """Something is not as it should be, and goes on all the same."""


@dataclass(frozen=True)
class Publication:
    """Where files go.

    Attributes:
        prefix: what all keys begin with.
        run_id: the run that publishes; folders of its publications are called by it.
        lock: on the window, held by the caller.
        names: how files come by their stable names.
    """

    store: ObjectStore
    prefix: str
    run_id: str
    options: FormatOptions
    temp_dir: Path
    lock: Lock
    names: StableNames = "copy"


@dataclass(frozen=True)
class Exported:
    """What one window has become.

    Attributes:
        manifest: as it stands in the store.
        files: those of the manifest that this run rendered.
        schemas: by dataset; each field's metadata holds the MySQL type.
        preview: the first rows of the summary, None without one. Detail rows are people's data and are never previewed.
        seconds: by stage (`read`, `render`, `publish`).
        verdicts: on the rows, none where stored ones were rendered again; and on the stable names.
        names: the stable name of each file, by its key, as far as they could be set.
        comments: of the source's columns, by their names; empty likewise.
    """

    manifest: Manifest
    files: tuple[ManifestFile, ...]
    schemas: Mapping[str, pa.Schema]
    preview: pa.Table | None
    seconds: Mapping[str, float]
    verdicts: tuple[CheckResult, ...] = ()
    comments: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)

    def shown_key(self, file: ManifestFile) -> str:
        """The key under which people find a file: its stable name where it has one."""
        return self.names.get(file.key, file.key)


def export_window(
    request: ReadRequest,
    source: SourceOptions,
    formats: Sequence[str],
    publication: Publication,
    observer: Observer,
    *,
    keep_others: bool = False,
) -> Exported:
    """Read a window from the database, judge it, render `formats` and publish them.

    With `keep_others`, files of other formats stay in the window where they were made from the same data.

    Raises:
        CheckError: a blocking check failed, and nothing was published.
        PipelineError: no manifest names anything unfinished, and temporary files are gone.
    """
    with working_directory(publication.temp_dir) as directory:
        # Asked first: a store that is out of order is known before a long reading, not after it.
        standing = _standing(publication, request.entry.name, request.window)
        started = time.monotonic()
        observer.step(f"reading {request.entry.table} as of {request.logical_time.isoformat(timespec='seconds')}")
        # Said in the first run of a table, and in its plan: each night would be a nuisance.
        note = observer.warn if standing is None else lambda _: None
        extract = read_extract(request, source, directory, observer.rows, observer.warn, note)
        reading = time.monotonic() - started
        verdicts = judge(
            request.entry, extract, standing, lambda: _rows_before(publication, request.entry.name, request.window)
        )
        _refuse(verdicts, observer)
        return _render_and_publish(
            extract,
            formats,
            publication,
            observer,
            directory,
            reading,
            verdicts=verdicts,
            old=None,
            keep_others=keep_others,
        )


def check_published(entry: TableEntry, window: str, publication: Publication) -> tuple[CheckResult, ...]:
    """Judge a published window by its stored extract; nothing is read from the database and nothing is published.

    What only the run that published it could tell (the snapshot, the formats) is as its manifest says.

    Raises:
        StorageError: the window was never published, or its extract has expired.
    """
    manifest = _published(publication, entry.name, window)
    told = {check.name: check for check in manifest.checks}
    with working_directory(publication.temp_dir) as directory:
        extract = fetch_extract(publication.store, manifest, directory)
        judged = judge(entry, extract, manifest, lambda: _rows_before(publication, entry.name, window))
    recorded = [
        CheckResult(name, told[name].passed, told[name].severity, blocking=False, words=told[name].words)
        for name in ALWAYS
        if name in told
    ]
    unnamed = misnamed(publication.store, publication.prefix, manifest, publication.names)
    return (
        *recorded,
        *(verdict for verdict in judged if verdict.name not in ALWAYS),
        names_result(tuple(unnamed.values())),
    )


def refuse_other_masks(entry: TableEntry, manifest: Manifest) -> None:
    """Refuse to make anything of rows that were read under other masks than those of today: they may hold what is
    hidden now.

    Raises:
        StorageError: the table has to be read again.
    """
    if not entry.all_masked:
        return
    then = manifest.masks_asked.split()
    if not then or any(one != other for one, other in zip(then, entry.masks_asked, strict=False)):
        raise StorageError(
            f"table {entry.name!r}, window {manifest.window}: the masks have changed since its rows were read, so the"
            " stored extract may hold what is masked now, and nothing is made of it. Materialize the table itself; its"
            " formats come with it."
        )


def render_window(
    entry: TableEntry, window: str, formats: Sequence[str], publication: Publication, observer: Observer
) -> Exported:
    """Render `formats` of a window from its stored extract, without asking the database; the other formats stay.

    Raises:
        StorageError: the window was never published, its extract has expired, or masks have changed since.
    """
    manifest = _published(publication, entry.name, window)
    refuse_other_masks(entry, manifest)
    with working_directory(publication.temp_dir) as directory:
        started = time.monotonic()
        observer.step(f"loading the stored extract of window {window}")
        extract = fetch_extract(publication.store, manifest, directory)
        return _render_and_publish(
            extract,
            formats,
            publication,
            observer,
            directory,
            time.monotonic() - started,
            verdicts=(),
            old=manifest,
            keep_others=True,
        )


def _published(publication: Publication, table: str, window: str) -> Manifest:
    manifest = load_manifest(publication.store, publication.prefix, table, window)
    if manifest is None:
        raise StorageError(
            f"table {table!r} has no published window {window}, so there is no stored extract to render from. "
            "Materialize the table itself; its formats come with it."
        )
    return manifest


def _render_and_publish(
    extract: Extract,
    formats: Sequence[str],
    publication: Publication,
    observer: Observer,
    directory: Path,
    reading: float,
    *,
    verdicts: tuple[CheckResult, ...],
    old: Manifest | None,
    keep_others: bool,
) -> Exported:
    started = time.monotonic()
    files: list[RenderedFile] = []
    for name in formats:
        target = directory / name
        target.mkdir()
        files += render(name, extract, target, publication.options)
        observer.step(
            f"rendered {name}:"
            f" {', '.join(f'{file.name} ({file.bytes:,} bytes)' for file in files if file.format == name)}"
        )
    rendered = time.monotonic()
    verdicts = (*verdicts, _reconciled(extract, files, verdicts)) if old is None else ()
    said = [ManifestCheck(name=one.name, passed=one.passed, severity=one.severity, words=one.words) for one in verdicts]
    publish = functools.partial(
        publish_window,
        publication.store,
        publication.prefix,
        extract,
        files,
        run_id=publication.run_id,
        partial=keep_others,
        names=publication.names,
        checks=said if old is None else old.checks,
        notes=(
            [*extract.notes, *(note for dataset in extract.datasets for note in dataset_notes(dataset))]
            if old is None
            else old.notes
        ),
        report=observer.step,
        lock=publication.lock,
    )
    # The extract is still at hand: a store that is out of order for a moment costs no second reading of the database.
    published = _patient(observer)(publish)
    named = names_result(published.unnamed)
    _warn([named], observer)
    rendered_now = {file.name for file in files}
    return Exported(
        published.manifest,
        tuple(file for file in published.manifest.files if file.name in rendered_now),
        {dataset.name: dataset.schema for dataset in extract.datasets},
        next((_first_rows(dataset) for dataset in extract.datasets if dataset.name == "summary"), None),
        {"read": reading, "render": rendered - started, "publish": time.monotonic() - rendered},
        (*verdicts, named),
        extract.comments,
        published.names,
    )


def _patient(observer: Observer) -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(StorageBusyError),
        stop=stop_after_attempt(len(PAUSES) + 1),
        wait=wait_chain(*(wait_fixed(pause) + wait_random(0, pause / 4) for pause in PAUSES)),
        reraise=True,
        before_sleep=lambda state: observer.warn(
            f"publishing again in a moment, from the same extract: {state.outcome and state.outcome.exception()}"
        ),
    )


def _warn(verdicts: Sequence[CheckResult], observer: Observer) -> None:
    for verdict in verdicts:
        if not verdict.passed:
            observer.warn(f"check {verdict.name} failed ({verdict.severity}): {verdict.words}")


def _refuse(verdicts: Sequence[CheckResult], observer: Observer) -> None:
    _warn(verdicts, observer)
    blocking = [verdict for verdict in verdicts if verdict.blocking and not verdict.passed]
    if blocking:
        told = "; ".join(f"{verdict.name}: {verdict.words}" for verdict in blocking)
        raise CheckError(f"Nothing was published, because blocking checks failed: {told}.", verdicts)


def _reconciled(extract: Extract, files: Sequence[RenderedFile], verdicts: Sequence[CheckResult]) -> CheckResult:
    try:
        reconcile(extract, files)
    except FormatError as error:
        failed = CheckResult(FORMATS_RECONCILED, passed=False, severity="error", blocking=True, words=str(error))
        raise CheckError(str(error), (*verdicts, failed)) from error
    return CheckResult(
        FORMATS_RECONCILED, passed=True, severity="error", blocking=True, words=ALWAYS[FORMATS_RECONCILED]
    )


def _standing(publication: Publication, table: str, window: str) -> Manifest | None:
    """The manifest to compare columns with: the window's own, else that of the newest window. One that makes no sense
    is none.
    """
    try:
        own = load_manifest(publication.store, publication.prefix, table, window)
        latest = None if own else latest_window(publication.store, publication.prefix, table)
        return own if latest is None else load_manifest(publication.store, publication.prefix, table, latest)
    except StorageDamagedError:
        return None


def _rows_before(publication: Publication, table: str, window: str) -> int | None:
    """The rows of the newest window before this one."""
    earlier = max(
        (name for _, name in published_windows(publication.store, publication.prefix, table) if name < window),
        default=None,
    )
    manifest = None if earlier is None else load_manifest(publication.store, publication.prefix, table, earlier)
    return None if manifest is None else counted_dataset(manifest)


def _first_rows(dataset: Dataset) -> pa.Table:
    first = next(dataset.batches(), None)
    return pa.Table.from_batches([] if first is None else [first], dataset.schema).slice(0, PREVIEW_ROWS)
