"""Compares tables, one after the other: the old file of a tick with our window."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from aggregation_pipeline.comparison.database import ask_database
from aggregation_pipeline.comparison.old.names import OldFile, named_file, nearest_file, parse_old_key
from aggregation_pipeline.comparison.old.places import OldPlace
from aggregation_pipeline.comparison.ours import our_dataset
from aggregation_pipeline.comparison.results import Comparison, TableResult
from aggregation_pipeline.comparison.tables import Options, Progress, compare_table
from aggregation_pipeline.errors import ComparisonError, PipelineError
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.tempfiles.working_directory import working_directory


@dataclass(frozen=True)
class Sides:
    """Where both sides lie, and the database between them.

    Attributes:
        store, prefix: where ours is published.
        old: where the Node service's files lie.
        file: the key of the old file, where somebody names it.
        source: returns how the database of a source is reached; None if it is not asked.
        most_asked: how many keys of a table the database is asked for.
        temp_dir: for files on their way.
    """

    store: ObjectStore
    prefix: str
    old: OldPlace
    file: str | None
    source: Callable[[str | None], SourceOptions] | None
    most_asked: int
    temp_dir: Path


def compare_tables(
    requests: Sequence[ReadRequest | TableResult],
    sides: Sides,
    options: Options,
    progress: Callable[[str, str, int, int | None], None],
) -> Comparison:
    """Compare each table. One that cannot be compared raises nothing: its result says why.

    The logical time of a request is the tick near which the old file was written. A result stands for a table of which
    there is nothing to compare, and stays as it is.

    `progress` hears the table, what is done with it, how many rows of how many.
    """
    files = _old_files([each for each in requests if not isinstance(each, TableResult)], sides, options)
    results = []
    for request in requests:
        if isinstance(request, TableResult):
            results.append(request)
            continue
        result = TableResult(request.entry.name, request.window)
        try:
            _compare(request, result, files, sides, options, _of_table(progress, request.entry.name))
        except PipelineError as error:
            result.status, result.problem = "not_compared", str(error)
            result.examples.clear()
        results.append(result)
    return Comparison(results)


def _of_table(progress: Callable[[str, str, int, int | None], None], table: str) -> Progress:
    return lambda what, done, total: progress(table, what, done, total)


def _old_files(requests: Sequence[ReadRequest], sides: Sides, options: Options) -> list[OldFile]:
    if sides.file is not None:
        return []
    moments = [each.logical_time.astimezone(options.zone) for each in requests]
    days = sorted({day for moment in moments for day in _days(moment, options.within)})
    parsed = (parse_old_key(key, options.zone) for key in sides.old.keys(days))
    return [file for file in parsed if file is not None]


def _days(moment: datetime, within: timedelta) -> Iterable[date]:
    first, last = (moment - within).date(), (moment + within).date()
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _compare(
    request: ReadRequest,
    result: TableResult,
    files: Sequence[OldFile],
    sides: Sides,
    options: Options,
    progress: Progress,
) -> None:
    entry = request.entry
    if entry.issues:
        raise ComparisonError(f"table {entry.name!r}: its entry cannot be used: {entry.issues}")
    tick = request.logical_time.astimezone(options.zone)
    if sides.file is not None:
        file = named_file(sides.file, options.zone)
    else:
        file = nearest_file(files, entry.name, tick, options.within, options.old_format)
    result.old_file = sides.old.shown(file.key)
    result.old_moment = None if file.moment is None else file.moment.isoformat(timespec="seconds")
    with working_directory(sides.temp_dir) as directory:
        ours = our_dataset(sides.store, sides.prefix, entry, request.window, directory)
        result.dataset = ours.dataset.name
        path = sides.old.fetch(file.key, directory)
        compared = compare_table(entry, ours, path, file.format, result, options, directory, progress)
        if sides.source is not None and compared.differing:
            again = directory / "database"
            again.mkdir()
            try:
                source = sides.source(entry.source)
            except PipelineError as error:
                result.unasked = str(error)
            else:
                result.unasked = ask_database(request, source, compared, options.zone, sides.most_asked, again)
