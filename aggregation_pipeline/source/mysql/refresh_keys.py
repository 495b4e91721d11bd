"""The keys of `refresh`: what tells that the rows of a partition have changed since they were published.

A run reads the key of its partition in its own snapshot. The sensor reads those of all partitions in one statement.
Both cut by the same conditions, and only fingerprints of what comes back are kept: a value may say something about
people.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pydantic import SecretStr

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.arrow_rows import ArrowRows
from aggregation_pipeline.source.mysql.described_queries import DescribedQuery
from aggregation_pipeline.source.mysql.prepared_session import PreparedSession, prepare_session
from aggregation_pipeline.source.mysql.refresh_statement import describe_keys, explain_keys, key_scan_problem
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.mysql.warnings import check_warnings
from aggregation_pipeline.source.mysql.zero_dates import ZeroDates
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.refresh_key import KEY, bounded, fingerprint, told_as_key
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.source.time_range import TimeRange

# seekdb has not the memory to plan 600 SELECTs in one statement; MySQL takes 4,000 in a second.
_SELECTS_AT_ONCE: Final = 400
# The key of the hashes. It need not be secret, because no column of a key is masked.
_HASHED_WITH: Final = SecretStr(KEY)


def read_key(prepared: PreparedSession, request: ReadRequest) -> str:
    """Return what tells the state of the partition that a run reads, in the run's snapshot; empty without `refresh`.

    It is a fingerprint of what the key means, a blank, and one of its value.

    Raises:
        SourceError: the server refuses the key, or warns about a value in it.
    """
    if request.entry.refresh is None or request.partition is None:
        return ""
    with told_as_key():
        described = describe_keys(prepared, [request.partition])
        (key,) = _read(prepared, described, 1)
    return f"{request.entry.refresh_fingerprint(request.zone.key)} {key}"


def read_keys(
    entry: TableEntry, ranges: Sequence[TimeRange], options: SourceOptions, *, seconds: int, zone_of: ReadRequest
) -> Mapping[str, str]:
    """Return for each partition what `read_key` would return now, asked for in as few statements as servers can take.

    Args:
        entry: with `refresh`.
        ranges: the partitions, in their order, one after the other.
        options: the server.
        seconds: how long they may take.
        zone_of: a request of the table; its zone and logical time are those of the session.

    Raises:
        SourceLostError: the server went away.
        SourceError: no index leads to the rows, and the entry does not allow a scan; the server refuses the key, or
            takes too long.
    """
    with open_key_session(entry, ranges, options, seconds=seconds, zone_of=zone_of) as prepared, told_as_key():
        found = list(_read_all(prepared, entry, ranges, time.monotonic() + seconds))
    meaning = entry.refresh_fingerprint(zone_of.zone.key)
    return {each.key: f"{meaning} {key}" for each, key in zip(ranges, found, strict=True)}


@contextlib.contextmanager
def open_key_session(
    entry: TableEntry, ranges: Sequence[TimeRange], options: SourceOptions, *, seconds: int, zone_of: ReadRequest
) -> Iterator[PreparedSession]:
    """Open a session in the clock that suits the entry over all these partitions; arguments as for `read_keys`."""
    limits, hurried = bounded(entry.source_limits, options, seconds)
    whole = replace(ranges[0], end=ranges[-1].end)
    with open_session(
        hurried,
        logical_time=zone_of.logical_time,
        zone=zone_of.zone,
        limits=limits,
        require_snapshot=False,
        entry=entry,
    ) as session:
        yield prepare_session(session, replace(zone_of, entry=entry, partition=whole))


def _read_all(prepared: PreparedSession, entry: TableEntry, ranges: Sequence[TimeRange], end: float) -> Iterator[str]:
    """Yield the fingerprints in the order of the partitions; those of one partition are of one statement."""
    at_once = max(1, _SELECTS_AT_ONCE // len(prepared.shards))
    for start in range(0, len(ranges), at_once):
        if (left := end - time.monotonic()) <= 0:
            raise SourceError(
                f"the server told the keys of {start:,} windows in time, and {len(ranges):,} were asked for: write a"
                " shorter look_back."
            )
        prepared.session.limit_statements(min(left, entry.source_limits.timeout_seconds))
        part = ranges[start : start + at_once]
        query = describe_keys(prepared, part)
        if problem := key_scan_problem(entry, explain_keys(prepared, part)):
            raise SourceError(problem)
        yield from _read(prepared, query, len(part))


def _read(prepared: PreparedSession, described: DescribedQuery, count: int) -> list[str]:
    """The fingerprints in the order of the partitions."""
    session = prepared.session
    # Dates that no calendar has stay as they are: one of them may become another.
    rows = ArrowRows(session, described, ZeroDates("text"), _HASHED_WITH)
    # NULL, of a partition without rows, has no hash.
    found = {
        int(number): fingerprint(hashes)
        for batch in rows.batches()
        for number, *hashes in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    }
    check_warnings(session, rows.stream.warnings, KEY)
    if found.keys() != set(range(count)):
        raise SourceError(f"{KEY}: the server returned the keys of {len(found)} windows, and {count} were asked for.")
    return [found[number] for number in range(count)]
