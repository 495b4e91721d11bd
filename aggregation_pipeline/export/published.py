"""What is published already: its checks are evaluated again, or other formats are rendered from its stored extract."""

from collections.abc import Sequence

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.export.checks.evaluate import evaluate_checks
from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.export.checks.standard import STANDARD_CHECKS, stable_names_set
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.observer import Observer
from aggregation_pipeline.export.published_manifests import require_manifest, rows_of_window_before
from aggregation_pipeline.export.publishing import ExportedWindow, StageTimes, publish
from aggregation_pipeline.export.rendering import rendering
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.published import fetch_extract
from aggregation_pipeline.storage.stable_names import find_wrong_names
from aggregation_pipeline.tempfiles.working_directory import working_directory


def check_published(entry: TableEntry, window: str, destination: Destination) -> tuple[CheckResult, ...]:
    """Evaluate the checks of a published window on its stored extract, without asking the database.

    Only the run that published the window could evaluate the standard checks (the snapshot, the formats); their
    results are taken from the manifest.

    Raises:
        StorageError: the window was never published, or its extract has expired.
    """
    manifest = require_manifest(destination, entry.name, window)
    with working_directory(destination.temp_dir) as directory:
        extract = fetch_extract(destination.store, manifest, directory)
        evaluated = evaluate_checks(
            entry, extract, manifest, lambda: rows_of_window_before(destination, entry.name, window)
        )
    wrong_names = find_wrong_names(destination.store, destination.prefix, manifest, destination.names)
    return (
        *_standard_results(manifest),
        *(result for result in evaluated if result.name not in STANDARD_CHECKS),
        stable_names_set(tuple(wrong_names.values())),
    )


def render_window(
    entry: TableEntry, window: str, formats: Sequence[str], destination: Destination, observer: Observer
) -> ExportedWindow:
    """Render `formats` of a window from its stored extract, without asking the database; the other formats stay.

    Raises:
        StorageError: the window was never published, its extract has expired, or masks have changed since.
    """
    stages = StageTimes()
    manifest = require_manifest(destination, entry.name, window)
    refuse_other_masks(entry, manifest)
    with working_directory(destination.temp_dir) as directory:
        with stages.measure("read"):
            observer.step(f"loading the stored extract of window {window}")
            extract = fetch_extract(destination.store, manifest, directory)
        names = [dataset.name for dataset in extract.datasets]
        with stages.measure("render"), rendering(names, formats, destination.options, directory) as renderers:
            files = renderers.files(extract, observer)
        return publish(
            extract,
            files,
            destination,
            observer,
            stages,
            keep_others=True,
            recorded_checks=manifest.checks,
            notes=manifest.notes,
        )


def refuse_other_masks(entry: TableEntry, manifest: Manifest) -> None:
    """Refuse rows that were read under other masks than today's: they may hold what is masked now.

    Raises:
        StorageError: the table has to be read again.
    """
    if not entry.all_masked:
        return
    masks_then = manifest.masks_fingerprints.split()
    if not masks_then or any(then != now for then, now in zip(masks_then, entry.masks_fingerprints, strict=False)):
        raise StorageError(
            f"table {entry.name!r}, window {manifest.window}: the masks have changed since its rows were read, so the"
            " stored extract may hold what is masked now, and nothing is made of it. Materialize the table itself; its"
            " formats come with it."
        )


def _standard_results(manifest: Manifest) -> list[CheckResult]:
    recorded = {check.name: check for check in manifest.checks}
    return [
        CheckResult(name, check.passed, check.severity, blocking=False, message=check.message)
        for name in STANDARD_CHECKS
        if (check := recorded.get(name)) is not None
    ]
