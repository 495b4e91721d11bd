"""The keys of `refresh`: what tells that the rows of a partition have changed since they were published.

A run reads the key of its partition in its own snapshot. The sensor reads those of all partitions in one statement, a
UNION ALL of one SELECT a partition, each with the condition by which a run cuts. Only fingerprints of what comes back
are kept: a value may say something about people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from aggregation_pipeline.config.sql.expressions import to_sql
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.described import refuse_moments
from aggregation_pipeline.source.postgresql.explain import Scan, plan_of, scans_of
from aggregation_pipeline.source.postgresql.partition import partition_condition
from aggregation_pipeline.source.postgresql.prepared import PreparedEntry, prepare
from aggregation_pipeline.source.postgresql.query import rows_clauses
from aggregation_pipeline.source.postgresql.session import open_session
from aggregation_pipeline.source.refresh_key import bounded, fingerprint, told_as_key
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.scans import keys_problem
from aggregation_pipeline.source.time_range import TimeRange

_SELECTS_AT_ONCE: Final = 400


def read_key(prepared: PreparedEntry, request: ReadRequest) -> str:
    """Return what tells the state of the partition that a run reads, in the run's snapshot; empty without `refresh`.

    It is a fingerprint of what the key means, a blank, and one of its value.

    Raises:
        SourceError: the server refuses the key.
    """
    if request.entry.refresh is None or request.partition is None:
        return ""
    with told_as_key(), prepared.hints():
        (key,) = _read(prepared, [request.partition])
    return f"{request.entry.refresh_fingerprint(request.zone.key)} {key}"


def read_keys(
    entry: TableEntry, ranges: Sequence[TimeRange], options: SourceOptions, *, seconds: int, zone_of: ReadRequest
) -> Mapping[str, str]:
    """Return for each partition what `read_key` would return now; see `SourceKind.read_keys`."""
    limits, hurried = bounded(entry.source_limits, options, seconds)
    found: list[str] = []
    names = [entry.table, entry.source_table.name]
    with told_as_key(), open_session(hurried, zone=zone_of.zone, limits=limits, names=names) as session:
        whole = replace(ranges[0], end=ranges[-1].end)
        prepared = prepare(session, replace(zone_of, entry=entry, partition=whole))
        with prepared.hints():
            for start in range(0, len(ranges), _SELECTS_AT_ONCE):
                part = ranges[start : start + _SELECTS_AT_ONCE]
                if problem := _scan_problem(entry, _scans(prepared, part)):
                    raise SourceError(problem)
                found += _read(prepared, part)
    meaning = entry.refresh_fingerprint(zone_of.zone.key)
    return {each.key: f"{meaning} {key}" for each, key in zip(ranges, found, strict=True)}


def _statement(prepared: PreparedEntry, ranges: Sequence[TimeRange]) -> str:
    """For each partition its number, from 0 on, and the values of its key as texts, in any order.

    The entry's own `where` holds as well: the rows are those that a run reads. Neither it nor the key depends on the
    time, which the loader has seen to.
    """
    entry = prepared.entry
    keys = entry.refresh.key if entry.refresh else ()
    values = "".join(f", CAST({to_sql(key, POSTGRESQL)} AS text)" for key in keys)
    conditions = [partition_condition(entry, each, prepared.columns) for each in ranges]
    return " UNION ALL ".join(
        f"SELECT {number}{values} {rows_clauses(entry, condition, str)}" for number, condition in enumerate(conditions)
    )


def _read(prepared: PreparedEntry, ranges: Sequence[TimeRange]) -> list[str]:
    """The fingerprints in the order of the partitions."""
    refuse_moments(prepared.session, _statement(prepared, ranges[:1]))
    rows = prepared.session.link.rows(_statement(prepared, ranges))
    return [fingerprint(values) for _, *values in sorted(rows)]


def _scans(prepared: PreparedEntry, ranges: Sequence[TimeRange]) -> list[Scan]:
    """How the server would read each partition, if it took an index wherever there is one that leads to the rows."""
    session = prepared.session
    # Of a small table it would rather read all, although there is an index. Both settings end here.
    session.link.run("SAVEPOINT planned")
    session.link.run("SET LOCAL enable_seqscan = off")
    plan = plan_of(session, _statement(prepared, ranges))
    session.link.run("ROLLBACK TO SAVEPOINT planned")
    windows = plan["Plans"] if len(ranges) > 1 else [plan]
    return [scan for window in windows for scan in scans_of(session, window)]


def _scan_problem(entry: TableEntry, scans: Sequence[Scan]) -> str | None:
    rows = max((scan.rows for scan in scans), default=0)
    return keys_problem(entry, rows, [] if all(scan.searched for scan in scans) else [entry.table])
