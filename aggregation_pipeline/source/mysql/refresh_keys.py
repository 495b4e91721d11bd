"""The keys of `refresh`: what tells that the rows of a partition have changed since they were published.

A run reads the key of its partition in its own snapshot. The sensor reads those of all partitions in one statement.
Both cut by the same conditions, and only fingerprints of what comes back are kept: a value may say something about
people.

The statement is a UNION ALL of one SELECT a partition. Each has the partition's own condition on the bare column, so
that an index serves it, and so that the days on which clocks change are cut as a run cuts them. One SELECT that groups
by an expression over the column could do neither.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from pydantic import SecretStr

from aggregation_pipeline.config.mask_options import MaskRule
from aggregation_pipeline.config.sql.expressions import to_sql
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.arrow_rows import ArrowRows
from aggregation_pipeline.source.mysql.connection import SourceOptions
from aggregation_pipeline.source.mysql.described_queries import DescribedQuery
from aggregation_pipeline.source.mysql.error_hints import add_hints
from aggregation_pipeline.source.mysql.explain import Scan, explain_sql
from aggregation_pipeline.source.mysql.inexact_outputs import exact_forms
from aggregation_pipeline.source.mysql.partition_condition import partition_condition
from aggregation_pipeline.source.mysql.prepared_session import PreparedSession, prepare_session
from aggregation_pipeline.source.mysql.probe import probe
from aggregation_pipeline.source.mysql.query import DatasetQuery, rows_clauses
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.mysql.warnings import check_warnings
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange

_KEY: Final = "refresh.key"
# Who waits for a lock longer is asked again at the next tick.
_LOCK_SECONDS: Final = 5
_CONNECT_SECONDS: Final = 5
_MARGIN: Final = 2
# The key of the hashes. It need not be secret, because no column of a key is masked.
_HASHED_WITH: Final = SecretStr(_KEY)


@dataclass(frozen=True)
class KeyStatement:
    """The statement that asks for the keys of several partitions.

    Attributes:
        query: returns for each partition its number, from 0 on, and the values of its key, in any order.
        scan: what the server reads for it.
    """

    query: DescribedQuery
    scan: Scan


def read_key(prepared: PreparedSession, request: ReadRequest) -> str:
    """Return what tells the state of the partition that a run reads, in the run's snapshot; empty without `refresh`.

    It is a fingerprint of what the key means, a blank, and one of its value.

    Raises:
        SourceError: the server refuses the key, or warns about a value in it.
    """
    if request.entry.refresh is None or request.partition is None:
        return ""
    with _told_as_key():
        described = _describe(prepared, request.entry, [request.partition])
        (key,) = _read(prepared, described, 1)
    return f"{request.entry.refresh_fingerprint(request.zone.key)} {key}"


def read_keys(
    entry: TableEntry, ranges: Sequence[TimeRange], options: SourceOptions, *, seconds: int, zone_of: ReadRequest
) -> Mapping[str, str]:
    """Return for each partition what `read_key` would return now, asked for in one statement.

    Args:
        entry: with `refresh`.
        ranges: the partitions, in their order, one after the other.
        options: the server.
        seconds: how long the statement may take.
        zone_of: a request of the table; its zone and logical time are those of the session.

    Raises:
        SourceLostError: the server went away.
        SourceError: no index leads to the rows, and the entry does not allow a scan; or the server refuses the key.
    """
    with open_key_session(entry, ranges, options, seconds=seconds, zone_of=zone_of) as prepared, _told_as_key():
        statement = explain_keys(prepared, entry, ranges)
        if problem := key_scan_problem(entry, statement.scan):
            raise SourceError(problem)
        found = _read(prepared, statement.query, len(ranges))
    meaning = entry.refresh_fingerprint(zone_of.zone.key)
    return {each.key: f"{meaning} {key}" for each, key in zip(ranges, found, strict=True)}


@contextlib.contextmanager
def open_key_session(
    entry: TableEntry, ranges: Sequence[TimeRange], options: SourceOptions, *, seconds: int, zone_of: ReadRequest
) -> Iterator[PreparedSession]:
    """Open a session in the clock that suits the entry over all these partitions; arguments as for `read_keys`."""
    limits = entry.source_limits
    limits = limits.model_copy(
        update={
            "timeout_seconds": min(seconds, limits.timeout_seconds),
            "max_snapshot_seconds": seconds,
            "lock_wait_seconds": min(_LOCK_SECONDS, limits.lock_wait_seconds),
        }
    )
    whole = replace(ranges[0], end=ranges[-1].end)
    # A server without a limit on statements, or one that has frozen, is given up by the connection.
    bounded = replace(
        options, connect_timeout=min(_CONNECT_SECONDS, options.connect_timeout), stall_timeout=seconds + _MARGIN
    )
    with open_session(
        bounded,
        logical_time=zone_of.logical_time,
        zone=zone_of.zone,
        limits=limits,
        require_snapshot=False,
        entry=entry,
    ) as session:
        yield prepare_session(session, replace(zone_of, entry=entry, partition=whole))


def explain_keys(prepared: PreparedSession, entry: TableEntry, ranges: Sequence[TimeRange]) -> KeyStatement:
    """Return the statement over these partitions, and how the server would run it.

    Raises:
        SourceError: the server refuses the key.
    """
    with _told_as_key():
        query = _describe(prepared, entry, ranges)
    return KeyStatement(query, explain_sql(prepared.session, query.query.sql))


def key_scan_problem(entry: TableEntry, scan: Scan) -> str | None:
    """Return why the keys may not be asked for, and the remedy; None if they may.

    Unlike the rows themselves, keys are asked for again and again, whether anything has changed or not. So a small
    table without an index is refused too: it would be scanned each time, and grow.
    """
    refresh, partition, most = entry.refresh, entry.partition, entry.source_limits.max_scan_rows
    if refresh is None or partition is None or refresh.allow_scan:
        return None
    if scan.unknown:
        return (
            f"how the server would read {entry.table} is not known: {scan.unknown} Nothing is asked, unless the entry"
            " says refresh.allow_scan: true."
        )
    if not scan.index_usable:
        return (
            f"no index leads to the rows of a partition by {partition.column}, so the server would read all of"
            f" {entry.table} for each window, every {refresh.every}. Give it an index that begins with"
            f" {partition.column}, best with the columns of the key behind it, or write refresh.allow_scan: true."
        )
    if scan.rows is not None and scan.rows > most:
        return (
            f"the server would read about {scan.rows:,} rows of {entry.table} for one window, over max_scan_rows ="
            f" {most:,}. Raise source_limits.max_scan_rows, or write refresh.allow_scan: true."
        )
    return None


@contextlib.contextmanager
def _told_as_key() -> Iterator[None]:
    try:
        yield
    except SourceError as error:
        if not str(error).startswith(_KEY):
            error.args = (f"{_KEY}: {error}",)
        raise


def _describe(prepared: PreparedSession, entry: TableEntry, ranges: Sequence[TimeRange]) -> DescribedQuery:
    session = prepared.session
    parts = [
        _query(entry, number, partition_condition(entry, each, prepared.columns, session.clock))
        for number, each in enumerate(ranges)
    ]
    names = parts[0].columns
    with add_hints(session, entry):
        (probed,) = probe(session, parts[:1])
    fields = tuple(replace(field, name=name) for field, name in zip(probed, names, strict=True))
    instants = frozenset(column.name.lower() for column in prepared.columns.values() if column.type == "timestamp")
    forms = exact_forms(parts[0], fields, session.clock, instants)
    first, *others = (part.with_exact_forms(names, forms) for part in parts)
    # A hash is made of what the server sends, an instant in UTC: it does not depend on the session.
    hashed: dict[str, MaskRule] = dict.fromkeys(names[1:], "hash")
    return DescribedQuery(replace(first, unions=tuple(others)), fields, hashed, frozenset(forms))


def _query(entry: TableEntry, number: int, condition: str | None) -> DatasetQuery:
    """The query for one partition; the number tells its row from those of others.

    The entry's own `where` holds as well: the rows are those that a run reads.
    """
    keys = entry.refresh.key if entry.refresh else ()
    return DatasetQuery(
        dataset="summary",
        outputs=((str(number), "number"), *((to_sql(key), f"key{place}") for place, key in enumerate(keys))),
        source=quote(entry.source_table.name),
        table=entry.source_table.sql,
        clauses=rows_clauses(entry, condition),
        order_terms=(),
        count_sql=None,
        limit=None,
        order="one row",
    )


def _read(prepared: PreparedSession, described: DescribedQuery, count: int) -> list[str]:
    """The fingerprints in the order of the partitions."""
    session = prepared.session
    # Dates that no calendar has stay as they are: one of them may become another.
    rows = ArrowRows(session, described, ZeroDates("text"), _HASHED_WITH)
    # NULL, of a partition without rows, has no hash.
    found = {
        int(number): hashlib.blake2b(json.dumps(hashes).encode(), digest_size=16).hexdigest()
        for batch in rows.batches()
        for number, *hashes in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    }
    check_warnings(session, rows.stream.warnings, _KEY)
    if found.keys() != set(range(count)):
        raise SourceError(f"{_KEY}: the server returned the keys of {len(found)} windows, and {count} were asked for.")
    return [found[number] for number in range(count)]
