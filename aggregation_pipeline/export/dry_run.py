"""What a run would do to each table, found out without running anything.

The servers are asked, but no row is read and nothing is written.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from aggregation_pipeline.errors import PipelineError, SourceError, SourceLostError
from aggregation_pipeline.formats.registry import FORMATS
from aggregation_pipeline.source.kind import kind_of, source_kind
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.read_plan import ReadPlan
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import manifest_key, window_key

# Replaces the run's id in the name of a publication's folder: a run has an id only when it starts.
_RUN_PLACEHOLDER: Final = "<run>"


@dataclass(frozen=True)
class FilePlan:
    """One file that would be published, under its stable name.

    If stable names are turned off, the key holds `<run>` in place of the run's id.
    """

    format: str
    key: str
    uri: str


@dataclass
class TablePlan(ReadPlan):
    """One table, filled as far as the servers answer: a refusal does not make earlier answers worthless.

    Attributes:
        files: what would be published.
        published: whether the window is published already, and would get a new version if it differs.
    """

    files: list[FilePlan] = field(default_factory=list)
    published: bool | None = None


def plan_tables(
    requests: Sequence[tuple[ReadRequest, Sequence[str]]],
    source: Callable[[str | None], SourceOptions],
    store: ObjectStore,
    prefix: str,
) -> Iterator[TablePlan]:
    """Plan each (request, formats) in turn. A table that would fail raises nothing: its plan has the reason.

    `source` returns where the database of that name is; None is the one without a name.
    """
    # By source, the table for which there was no way to it.
    unreachable: dict[str | None, str] = {}
    for request, formats in requests:
        name = request.entry.source
        plan = TablePlan(request.entry.name, request.entry.read_from, request.window)
        try:
            if name not in unreachable:
                options = source(name)
                kind_of(options).plan_read(request, options, plan)
            else:
                plan.problems.append(f"not asked: there is no way to the source database, see {unreachable[name]}")
        except PipelineError as error:
            plan.problems.append(str(error))
            # Do not wait for the same server once more for each table, nor let it refuse the same login again.
            if isinstance(error, SourceLostError) or _is_about_login(error, request.entry.source_kind):
                unreachable[name] = request.entry.name
        try:
            _plan_files(request, formats, store, prefix, plan)
        except PipelineError as error:
            plan.problems.append(str(error))
        yield plan


def _is_about_login(error: PipelineError, kind: str) -> bool:
    return isinstance(error, SourceError) and error.code in source_kind(kind).login_errors


def _plan_files(request: ReadRequest, formats: Sequence[str], store: ObjectStore, prefix: str, plan: TablePlan) -> None:
    entry, window = request.entry, request.window
    publication = _RUN_PLACEHOLDER if entry.names == "none" else None
    keys = [
        (name, window_key(prefix, entry.name, window, file, publication=publication))
        for name in formats
        for file in FORMATS[name].file_names(entry.name, window, entry.datasets, entry.options).values()
    ]
    manifest = manifest_key(prefix, entry.name, window)
    plan.files = [FilePlan(name, key, store.uri(key)) for name, key in [*keys, ("manifest", manifest)]]
    plan.published = store.head(manifest) is not None
