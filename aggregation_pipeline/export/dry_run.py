"""What a run would do to each table, found out without running anything.

The servers are asked, but no row is read and nothing is written.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import SecretStr

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import PipelineError, SourceError, SourceLostError
from aggregation_pipeline.formats.registry import FORMATS
from aggregation_pipeline.source.mysql.connection import SourceOptions
from aggregation_pipeline.source.mysql.described_queries import DescribedQuery, describe_queries
from aggregation_pipeline.source.mysql.explain import explain_query, scan_problem
from aggregation_pipeline.source.mysql.prepared_session import prepare_session
from aggregation_pipeline.source.mysql.query import build_queries
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines, require_snapshots
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import manifest_key, window_key

# Replaces the run's id in the name of a publication's folder: a run has an id only when it starts.
_RUN_PLACEHOLDER: Final = "<run>"
# Error numbers that are about the connection, not about a table: host, user, password, database.
_LOGIN_ERRORS: Final = frozenset({1044, 1045, 1049, 1130, 1251, 1698, 3118, 3159})
# Replaces MASK_SALT, which has an effect only on values.
_NO_SALT: Final = SecretStr("no value is read")


@dataclass(frozen=True)
class DatasetPlan:
    """One query.

    Attributes:
        columns: name to type, as MySQL names it; empty if the server refused the query.
        masks: by output, how it is masked.
        estimate: how many rows the server expects to examine; None if it does not say.
        index: the index that the server uses; None if it scans the table.
    """

    name: str
    sql: str
    order: str
    limit: int | None
    columns: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, str] = field(default_factory=dict)
    estimate: int | None = None
    index: str | None = None


@dataclass(frozen=True)
class FilePlan:
    """One file that would be published, under its stable name.

    If stable names are turned off, the key holds `<run>` in place of the run's id.
    """

    format: str
    key: str
    uri: str


@dataclass
class TablePlan:
    """One table, filled as far as the servers answer: a refusal does not make earlier answers worthless.

    Attributes:
        server: version of the source database; None if it was not reached.
        snapshot: whether both datasets would be of one moment, as far as the server's isolation level says.
        engines: the storage engines of the tables that would be read; empty if that is not known.
        published: whether the window is published already, and would get a new version if it differs.
        warnings: problems that do not stop the run.
        problems: what would fail the table.
    """

    table: str
    source: str
    window: str
    server: str | None = None
    snapshot: bool | None = None
    engines: str = ""
    published: bool | None = None
    datasets: list[DatasetPlan] = field(default_factory=list)
    files: list[FilePlan] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def plan_tables(
    requests: Sequence[tuple[ReadRequest, Sequence[str]]],
    source: Callable[[], SourceOptions],
    store: ObjectStore,
    prefix: str,
) -> Iterator[TablePlan]:
    """Plan each (request, formats) in turn. A table that would fail raises nothing: its plan has the reason."""
    unreachable: str | None = None
    for request, formats in requests:
        plan = TablePlan(request.entry.name, request.entry.table, request.window)
        try:
            if unreachable is None:
                _plan_source(request, source(), plan)
            else:
                plan.problems.append(f"not asked: there is no way to the source database, see {unreachable}")
        except PipelineError as error:
            plan.problems.append(str(error))
            # Do not wait for the same server once more for each table, nor let it refuse the same login again.
            if isinstance(error, SourceLostError) or (isinstance(error, SourceError) and error.code in _LOGIN_ERRORS):
                unreachable = request.entry.name
        try:
            _plan_files(request, formats, store, prefix, plan)
        except PipelineError as error:
            plan.problems.append(str(error))
        yield plan


def _plan_source(request: ReadRequest, options: SourceOptions, plan: TablePlan) -> None:
    entry = request.entry
    with open_session(
        options,
        logical_time=request.logical_time,
        zone=request.zone,
        limits=entry.source_limits,
        require_snapshot=entry.consistency == "snapshot",
        entry=entry,
    ) as opened:
        plan.server, plan.snapshot = opened.server, opened.snapshot
        if not opened.snapshot:
            plan.warnings.append(
                "the server has no snapshots, and consistency is none: summary and detail may disagree"
            )
        prepared = prepare_session(opened, request)
        session = prepared.session
        plan.warnings += filter(None, [session.clock.note])
        queries = build_queries(entry, primary_key=session.primary_key(*entry.source), condition=prepared.condition)
        # Without columns for the time being: if the server refuses a query below, the plan still has its SQL.
        plan.datasets = [DatasetPlan(query.dataset, query.sql, query.order, query.limit) for query in queries]
        described = describe_queries(session, entry, prepared.columns, prepared.condition)
        _plan_snapshot(entry, prepared.engines, plan)
        if any(query.dataset == "detail" and query.order == "none" for query in queries) and entry.order != "none":
            plan.warnings.append(
                "the table has no primary key, so detail rows come in no order: give order_by, or say order: none"
            )
        plan.datasets = [_plan_dataset(session, entry, each, plan) for each in described]


def _plan_snapshot(entry: TableEntry, engines: StorageEngines, plan: TablePlan) -> None:
    plan.engines = str(engines)
    require_snapshots(entry, engines)
    if engines.unknown:
        plan.warnings.append(f"whether all tables give snapshots is not known: engines {engines}")
    if engines.without_snapshots:
        plan.warnings.append(f"consistency is none, and rows may be of different moments: engines {engines}")


def _plan_dataset(session: Session, entry: TableEntry, described: DescribedQuery, plan: TablePlan) -> DatasetPlan:
    query = described.query
    scan = explain_query(session, query)
    if problem := scan_problem(entry, query, scan):
        (plan.problems if entry.source_limits.on_scan == "error" else plan.warnings).append(problem)
    columns = [
        column.field
        for column in described.column_types(described.fields, session.clock, ZeroDates("null"), _NO_SALT)
        if column is not None
    ]
    return DatasetPlan(
        name=query.dataset,
        sql=query.sql,
        order=query.order,
        limit=query.limit,
        columns={column.name: column.metadata[b"mysql_type"].decode() for column in columns},
        masks=described.masks,
        estimate=scan.rows,
        index=scan.index,
    )


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
