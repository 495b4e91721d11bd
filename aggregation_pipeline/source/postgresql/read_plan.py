"""What reading a window would do: the server is asked, and no row is read."""

from typing import Final

from pydantic import SecretStr

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.calendar import Calendar
from aggregation_pipeline.source.postgresql.described import DescribedQuery
from aggregation_pipeline.source.postgresql.explain import explain, scan_problem
from aggregation_pipeline.source.postgresql.prepared import prepare
from aggregation_pipeline.source.postgresql.reader import replica_notes
from aggregation_pipeline.source.postgresql.session import Session, open_session
from aggregation_pipeline.source.read_plan import DatasetPlan, ReadPlan
from aggregation_pipeline.source.request import ReadRequest

# Replaces MASK_SALT, which has an effect only on values.
_NO_SALT: Final = SecretStr("no value is read")


def plan_read(request: ReadRequest, options: SourceOptions, plan: ReadPlan) -> None:
    """Fill the plan; if the server refuses something, the plan keeps what was known before.

    Raises:
        SourceError: the read would fail, for this reason.
    """
    entry = request.entry
    with open_session(
        options, zone=request.zone, limits=entry.source_limits, names=[entry.table, entry.source_table.name]
    ) as session:
        plan.server, plan.snapshot = session.server, True
        plan.server_abilities = "snapshots, statement_timeout, lock_timeout"
        plan.warnings += replica_notes(session, request)
        prepared = prepare(session, request)
        plan.engines = str(prepared.relations)
        if prepared.relations.foreign:
            plan.snapshot = False
            plan.warnings.append(
                f"consistency is none, and rows may be of different moments: {', '.join(prepared.relations.foreign)} is"
                " a foreign table"
            )
        plan.warnings += prepared.relations.notes()
        # Without columns for the time being: if the server refuses a query below, the plan still has its SQL.
        plan.datasets = [DatasetPlan(each.dataset, each.inner, each.order, each.limit) for each in prepared.queries]
        described = prepared.describe()
        if (
            any(each.dataset == "detail" and each.order == "none" for each in prepared.queries)
            and entry.order != "none"
        ):
            plan.warnings.append(
                "the table has no key of columns that are never NULL, so detail rows come in no order: give order_by,"
                " or say order: none"
            )
        plan.datasets = [_plan_dataset(session, entry, each, plan) for each in described]


def _plan_dataset(session: Session, entry: TableEntry, described: DescribedQuery, plan: ReadPlan) -> DatasetPlan:
    query, scan = described.query, explain(session, described)
    if problem := scan_problem(entry, query.dataset, scan):
        (plan.problems if entry.source_limits.on_scan == "error" else plan.warnings).append(problem)
    columns = described.column_types(session.zone, Calendar("null"), _NO_SALT, ())
    return DatasetPlan(
        name=query.dataset,
        sql=described.statement(columns),
        order=query.order,
        limit=query.limit,
        columns={each.field.name: each.field.metadata[b"source_type"].decode() for each in columns.values()},
        masks=described.masks,
        estimate=scan.rows,
        index=scan.index,
    )
