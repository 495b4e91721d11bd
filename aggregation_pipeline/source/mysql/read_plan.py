"""What reading a window would do: the server is asked, and no row is read."""

from typing import Final

from pydantic import SecretStr

from aggregation_pipeline.config.sql.hints import read_hints
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.described_queries import DescribedQuery
from aggregation_pipeline.source.mysql.explain import explain_all, scan_problem
from aggregation_pipeline.source.mysql.merged_queries import describe_entry
from aggregation_pipeline.source.mysql.prepared_session import prepare_session
from aggregation_pipeline.source.mysql.probe import check_hints
from aggregation_pipeline.source.mysql.query import build_queries
from aggregation_pipeline.source.mysql.refresh_statement import describe_keys, explain_keys, key_scan_problem
from aggregation_pipeline.source.mysql.session import Session, open_session
from aggregation_pipeline.source.mysql.shard import unread_shards
from aggregation_pipeline.source.mysql.storage_engines import StorageEngines, require_snapshots
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.read_plan import DatasetPlan, KeyPlan, ReadPlan
from aggregation_pipeline.source.refresh_key import told_as_key
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
                f"the server {opened.capabilities.no_snapshot}, and consistency is none: summary and detail may"
                " disagree"
            )
        if stale := read_hints(entry.hints).stale:
            plan.snapshot = False
            plan.warnings.append(f"{stale}, and consistency is none: summary and detail may disagree")
        plan.server_abilities = "; ".join(opened.capabilities.in_words())
        prepared = prepare_session(opened, request)
        session = prepared.session
        plan.warnings += filter(None, [session.clock.note])
        first = prepared.shards[0]
        hints = session.hints_of(entry)
        queries = build_queries(first.entry, primary_key=first.primary_key, condition=first.condition, hints=hints)
        # Without columns for the time being: if the server refuses a query below, the plan still has its SQL.
        plan.datasets = [DatasetPlan(query.dataset, query.sql, query.order, query.limit) for query in queries]
        plan.warnings += filter(None, [unread_shards(session, entry)])
        described = describe_entry(session, entry, prepared.shards)
        _plan_snapshot(entry, prepared.engines, plan)
        if any(query.dataset == "detail" and query.order == "none" for query in queries) and entry.order != "none":
            plan.warnings.append(
                "the table has no primary key, so detail rows come in no order: give order_by, or say order: none"
            )
        plan.datasets = [_plan_dataset(session, entry, each, plan) for each in described]
        for each in described:
            check_hints(session, each.reads[0], plan.warnings.append)
        if entry.refresh is not None and request.partition is not None:
            with told_as_key():
                keys = describe_keys(prepared, [request.partition])
            scans = explain_keys(prepared, [request.partition])
            rows = [each.scan.rows for each in scans if each.scan.rows is not None]
            indexes = {each.scan.index for each in scans}
            plan.refresh = KeyPlan(
                keys.sql,
                entry.refresh.every,
                sum(rows) if rows else None,
                None if None in indexes else ", ".join(sorted(filter(None, indexes))),
            )
            if problem := key_scan_problem(entry, scans):
                plan.warnings.append(f"late rows will not be noticed: refresh.key: {problem}")


def _plan_snapshot(entry: TableEntry, engines: StorageEngines, plan: ReadPlan) -> None:
    plan.engines = str(engines)
    require_snapshots(entry, engines)
    if engines.unknown:
        plan.warnings.append(f"whether all tables give snapshots is not known: engines {engines}")
    if engines.without_snapshots:
        plan.warnings.append(f"consistency is none, and rows may be of different moments: engines {engines}")


def _plan_dataset(session: Session, entry: TableEntry, described: DescribedQuery, plan: ReadPlan) -> DatasetPlan:
    query = described.query
    scan = explain_all(session, described.reads)
    if problem := scan_problem(entry, query, scan):
        (plan.problems if entry.source_limits.on_scan == "error" else plan.warnings).append(problem)
    columns = [
        column.field
        for column in described.column_types(described.fields, session.clock, ZeroDates("null"), _NO_SALT)
        if column is not None
    ]
    return DatasetPlan(
        name=query.dataset,
        sql=described.sql,
        order=query.order,
        limit=query.limit,
        columns={column.name: column.metadata[b"mysql_type"].decode() for column in columns},
        masks=described.masks,
        estimate=scan.rows,
        index=scan.index,
    )
