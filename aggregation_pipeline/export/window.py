"""The way of one window, from the database to its manifest: the core of the pipeline, without Dagster.

read (one snapshot) and render -> check -> render the rest -> publish -> manifest
"""

from collections.abc import Sequence

from aggregation_pipeline.errors import CheckError, FormatError
from aggregation_pipeline.export.caveats import dataset_caveats
from aggregation_pipeline.export.checks.evaluate import evaluate_checks
from aggregation_pipeline.export.checks.results import CheckResult
from aggregation_pipeline.export.checks.standard import formats_reconciled
from aggregation_pipeline.export.destination import Destination
from aggregation_pipeline.export.free_space import require_room_as_last_time, watching_room
from aggregation_pipeline.export.observer import Observer
from aggregation_pipeline.export.published_manifests import manifest_to_compare, rows_of_window_before
from aggregation_pipeline.export.publishing import ExportedWindow, StageTimes, publish, warn_of_failures
from aggregation_pipeline.export.rendering import rendering
from aggregation_pipeline.source.kind import kind_of
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import Listener, ReadRequest
from aggregation_pipeline.storage.manifest import ManifestCheck
from aggregation_pipeline.tempfiles.working_directory import working_directory


def export_window(
    request: ReadRequest,
    source: SourceOptions,
    formats: Sequence[str],
    destination: Destination,
    observer: Observer,
    *,
    keep_others: bool = False,
) -> ExportedWindow:
    """Read a window from the database, check it, render `formats` and publish them.

    With `keep_others`, files of other formats stay in the window if they were made from the same data.

    Raises:
        CheckError: a blocking check failed, and nothing was published.
        PipelineError: any other failure. No manifest names anything unfinished, and temporary files are gone.
    """
    table, stages = request.entry.name, StageTimes()
    with working_directory(destination.temp_dir) as directory:
        # Ask the store before reading: if it is out of order, we learn it before a long read rather than after it.
        reference = manifest_to_compare(destination, table, request.window)
        require_room_as_last_time(destination, formats, reference)
        progress = watching_room(destination, directory, observer.rows)
        with rendering(request.entry.datasets, formats, destination.options, directory) as renderers:
            with stages.measure("read"):
                observer.step(
                    f"reading {request.entry.read_from} as of {request.logical_time.isoformat(timespec='seconds')}"
                )
                # Remarks appear in the first run of a table and in its plan. Every night they would be a nuisance.
                note = observer.warn if reference is None else lambda _: None
                listener = Listener(progress, observer.warn, note, observer.part, renderers.arriving)
                extract = kind_of(source).read_extract(request, source, directory, listener)
            results = evaluate_checks(
                request.entry, extract, reference, lambda: rows_of_window_before(destination, table, request.window)
            )
            _refuse_blocking_failures(results, observer)
            # What was not rendered while the rows were read.
            with stages.measure("render"):
                files = renderers.files(extract, observer)
        # publish_window compares the files with the extract before it sends anything. So the manifest, which is written
        # last, may say that this check has passed.
        passed = (*results, formats_reconciled(None))
        try:
            return publish(
                extract,
                files,
                destination,
                observer,
                stages,
                keep_others=keep_others,
                check_results=passed,
                recorded_checks=[_recorded(result) for result in passed],
                notes=[*extract.notes, *(note for dataset in extract.datasets for note in dataset_caveats(dataset))],
            )
        except FormatError as error:
            raise CheckError(str(error), (*results, formats_reconciled(error))) from error


def _refuse_blocking_failures(results: Sequence[CheckResult], observer: Observer) -> None:
    warn_of_failures(results, observer)
    blocking = [result for result in results if result.blocking and not result.passed]
    if blocking:
        reasons = "; ".join(f"{result.name}: {result.message}" for result in blocking)
        raise CheckError(f"Nothing was published, because blocking checks failed: {reasons}.", results)


def _recorded(result: CheckResult) -> ManifestCheck:
    return ManifestCheck(name=result.name, passed=result.passed, severity=result.severity, message=result.message)
