"""The last part of every window's way: rendered files are published, and the result is described."""

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import pyarrow as pa
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_chain, wait_fixed, wait_random

from aggregation_pipeline.errors import StorageBusyError
from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.export.checks.standard import stable_names_set
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import Observer
from aggregation_pipeline.extract import Dataset, Extract
from aggregation_pipeline.formats.common.file_format import RenderedFile
from aggregation_pipeline.storage.manifest import Manifest, ManifestCheck, ManifestFile
from aggregation_pipeline.storage.publish import publish_window

PREVIEW_ROWS: Final = 10
# Seconds before publishing is tried again, besides the retries of each request: a long read is worth waiting for.
PAUSES: Final = (2.0, 6.0, 18.0, 54.0)


@dataclass(frozen=True)
class ExportedWindow:
    """A window that is published.

    Attributes:
        manifest: the one in force in the store.
        files: those of the manifest that this run rendered.
        schemas: by dataset; each field's metadata holds the type in the source.
        preview: the first rows of the summary, None without one. Detail rows may be personal data and have no preview.
        seconds: by stage (`read`, `render`, `publish`). `render` is what was left to render when all rows were read.
        check_results: of the rows, unless the stored extract was rendered again; and of the stable names.
        comments: of the source's columns, by column; empty if the stored extract was rendered again.
        stable_names: the stable name of each file, by its key, as far as they could be set.
    """

    manifest: Manifest
    files: tuple[ManifestFile, ...]
    schemas: Mapping[str, pa.Schema]
    preview: pa.Table | None
    seconds: Mapping[str, float]
    check_results: tuple[CheckResult, ...] = ()
    comments: Mapping[str, str] = field(default_factory=dict)
    stable_names: Mapping[str, str] = field(default_factory=dict)

    def shown_key(self, file: ManifestFile) -> str:
        """Return the key under which people find a file: its stable name if it has one."""
        return self.stable_names.get(file.key, file.key)


class StageTimes:
    """The seconds that each stage of a window took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Measure the body."""
        started = time.monotonic()
        yield
        self.seconds[stage] = time.monotonic() - started


def publish(
    extract: Extract,
    files: Sequence[RenderedFile],
    destination: Destination,
    observer: Observer,
    stages: StageTimes,
    *,
    keep_others: bool,
    recorded_checks: Sequence[ManifestCheck],
    notes: Sequence[str],
    check_results: Sequence[CheckResult] = (),
) -> ExportedWindow:
    """Publish the rendered files and describe the window.

    The extract is still at hand, so a store that is out of order for a moment costs no second read of the database.

    Args:
        keep_others: files of other formats stay in the window if they were made from the same data.
        recorded_checks: what the manifest says of the checks.
        notes: the caveats of the manifest.
        check_results: what this run found out about the rows.

    Raises:
        StorageBusyError: the store stayed out of order for all of `PAUSES`.
        PipelineError: publishing failed otherwise. The former version stays in force.
    """
    with stages.measure("publish"):
        published = _retrying(observer)(
            functools.partial(
                publish_window,
                destination.store,
                destination.prefix,
                extract,
                files,
                run_id=destination.run_id,
                partial=keep_others,
                names=destination.names,
                checks=recorded_checks,
                notes=notes,
                report=observer.step,
                lock=destination.lock,
            )
        )
    name_result = stable_names_set(published.name_problems)
    warn_of_failures([name_result], observer)
    rendered = {file.name for file in files}
    return ExportedWindow(
        manifest=published.manifest,
        files=tuple(file for file in published.manifest.files if file.name in rendered),
        schemas={dataset.name: dataset.schema for dataset in extract.datasets},
        preview=next((_first_rows(dataset) for dataset in extract.datasets if dataset.name == "summary"), None),
        seconds=stages.seconds,
        check_results=(*check_results, name_result),
        comments=extract.comments,
        stable_names=published.names,
    )


def warn_of_failures(results: Sequence[CheckResult], observer: Observer) -> None:
    """Report each check that failed."""
    for result in results:
        if not result.passed:
            observer.warn(f"check {result.name} failed ({result.severity}): {result.message}")


def _retrying(observer: Observer) -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(StorageBusyError),
        stop=stop_after_attempt(len(PAUSES) + 1),
        wait=wait_chain(*(wait_fixed(pause) + wait_random(0, pause / 4) for pause in PAUSES)),
        reraise=True,
        before_sleep=lambda state: observer.warn(
            f"publishing again in a moment, from the same extract: {state.outcome and state.outcome.exception()}"
        ),
    )


def _first_rows(dataset: Dataset) -> pa.Table:
    first = dataset.head(PREVIEW_ROWS)
    return pa.Table.from_batches([] if first is None else [first], dataset.schema)
