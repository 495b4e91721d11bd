"""What a run would do to each table, found out without running anything: the servers are asked, no row is read, nothing
is written.
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
from aggregation_pipeline.source.mysql.storage_engines import require_snapshots
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.keys import manifest_key, window_key

# The folder of a publication is called by the id of its run, which it has only when it starts.
_ANY_RUN: Final = "<run>"
# Of the connection, not of a table: host, user, password, database.
_NOT_LET_IN: Final = frozenset({1044, 1045, 1049, 1130, 1251, 1698, 3118, 3159})
# Stands in for MASK_SALT, which decides over values alone.
_NO_VALUES: Final = SecretStr("no value is read")


@dataclass(frozen=True)
class DatasetPlan:
    """One query.

    Attributes:
        columns: name to type, as MySQL calls it; empty where the server refused the query.
        masks: by output, how it is hidden.
        estimate: rows that the server thinks it goes through; None where it does not say.
        index: that it goes by; None for a table read as it lies.
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
    """One file that would be published, under its stable name; where those are turned off, `<run>` in its key is the id
    of the run.
    """

    format: str
    key: str
    uri: str


@dataclass
class TablePlan:
    """One table. Filled as far as the servers answer: a later refusal does not make an earlier answer worthless.

    Attributes:
        server: version of the source database; None where it was not reached.
        snapshot: whether both datasets would see one moment, as far as the server's isolation level says.
        engines: of the tables that would be read; empty where that was not asked.
        published: whether the window is there already, and would get a new version where it differs.
        warnings: what is not as it should be and goes on all the same.
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
    """Plan each (request, formats) in turn. Nothing is raised for a table that would fail: its plan says why."""
    unreachable: str | None = None
    for request, formats in requests:
        plan = TablePlan(request.entry.name, request.entry.table, request.window)
        try:
            if unreachable is None:
                _ask_source(request, source(), plan)
            else:
                plan.problems.append(f"not asked: there is no way to the source database, see {unreachable}")
        except PipelineError as error:
            plan.problems.append(str(error))
            # A server that is away would be waited for once more with each table, and one that refuses us would refuse
            # us again.
            if isinstance(error, SourceLostError) or (isinstance(error, SourceError) and error.code in _NOT_LET_IN):
                unreachable = request.entry.name
        try:
            _ask_store(request, formats, store, prefix, plan)
        except PipelineError as error:
            plan.problems.append(str(error))
        yield plan


def _ask_source(request: ReadRequest, options: SourceOptions, plan: TablePlan) -> None:
    entry = request.entry
    with open_session(
        options,
        logical_time=request.logical_time,
        zone=request.zone,
        limits=entry.source_limits,
        require_snapshot=entry.consistency == "snapshot",
        entry=entry,
    ) as session:
        plan.server, plan.snapshot = session.server, session.snapshot
        if not session.snapshot:
            plan.warnings.append(
                "the server gives no snapshot, and consistency is none: summary and detail may disagree"
            )
        prepared = prepare_session(session, request)
        session = prepared.session  # noqa: PLW2901 - the same connection, its clock known
        plan.warnings += filter(None, [session.clock.note])
        queries = build_queries(entry, primary_key=session.primary_key(*entry.source), condition=prepared.condition)
        plan.datasets = [DatasetPlan(query.dataset, query.sql, query.order, query.limit) for query in queries]
        described = describe_queries(session, entry, prepared.columns, prepared.condition)
        engines = prepared.engines
        plan.engines = str(engines)
        require_snapshots(entry, engines)
        if engines.unknown:
            plan.warnings.append(f"whether all tables give snapshots is not known: engines {engines}")
        if engines.without_snapshots:
            plan.warnings.append(f"consistency is none, and rows may be of different moments: engines {engines}")
        if any(query.dataset == "detail" and query.order == "none" for query in queries) and entry.order != "none":
            plan.warnings.append(
                "the table has no primary key, so detail rows come in no order: give order_by, or say order: none"
            )
        plan.datasets = [_describe(session, entry, each, plan) for each in described]


def _describe(session: Session, entry: TableEntry, described: DescribedQuery, plan: TablePlan) -> DatasetPlan:
    query = described.query
    scan = explain_query(session, query)
    if complaint := scan_problem(entry, query, scan):
        (plan.problems if entry.source_limits.on_scan == "error" else plan.warnings).append(complaint)
    columns = [
        column.field
        for column in described.column_types(described.fields, session.clock, ZeroDates("null"), _NO_VALUES)
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


def _ask_store(request: ReadRequest, formats: Sequence[str], store: ObjectStore, prefix: str, plan: TablePlan) -> None:
    table, window = request.entry.name, request.window
    datasets = request.entry.datasets
    options = request.entry.options
    names = [
        (name, file) for name in formats for file in FORMATS[name].file_names(table, window, datasets, options).values()
    ]
    publication = _ANY_RUN if request.entry.names == "none" else None
    keys = [(name, window_key(prefix, table, window, file, publication=publication)) for name, file in names]
    mark = manifest_key(prefix, table, window)
    plan.files = [FilePlan(name, key, store.uri(key)) for name, key in [*keys, ("manifest", mark)]]
    plan.published = store.head(mark) is not None
