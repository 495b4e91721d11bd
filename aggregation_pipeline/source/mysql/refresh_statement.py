"""The statement that asks for the keys of `refresh`, of one partition or of several.

It is a UNION ALL of one SELECT a partition. Each has the partition's own condition on the bare column, so that an index
serves it, and so that the days on which clocks change are cut as a run cuts them. One SELECT that groups by an
expression over the column could do neither.

Of shards it is one SELECT a partition and shard, and the server merges those of each partition: the latest of the
latest, the sum of the sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aggregation_pipeline.config.mask_options import MaskRule
from aggregation_pipeline.config.sql.expressions import to_sql
from aggregation_pipeline.config.sql.hints import read_hints
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.described_queries import DescribedQuery
from aggregation_pipeline.source.mysql.error_hints import add_hints
from aggregation_pipeline.source.mysql.explain import Scan, explain_sql
from aggregation_pipeline.source.mysql.inexact_outputs import exact_forms
from aggregation_pipeline.source.mysql.prepared_session import PreparedSession
from aggregation_pipeline.source.mysql.probe import probe
from aggregation_pipeline.source.mysql.query import DatasetQuery, rows_clauses
from aggregation_pipeline.source.mysql.row_protocol import Field
from aggregation_pipeline.source.mysql.shard import Shard
from aggregation_pipeline.source.mysql.shard_arms import Arm, over_arms
from aggregation_pipeline.source.scans import keys_problem
from aggregation_pipeline.source.time_range import TimeRange


@dataclass(frozen=True)
class KeyScan:
    """What the server reads of one table for the keys.

    Attributes:
        table: the entry's table, or one of its shards.
    """

    table: str
    scan: Scan


def describe_keys(prepared: PreparedSession, ranges: Sequence[TimeRange]) -> DescribedQuery:
    """Return the query over these partitions: for each its number, from 0 on, and the values of its key, in any order.

    Raises:
        SourceError: the server refuses the key.
    """
    session, shards = prepared.session, prepared.shards
    parts = [_queries(prepared, shard, ranges) for shard in shards]
    names = parts[0][0].columns
    with add_hints(session, shards[0].entry):
        (probed,) = probe(session, parts[0][:1])
    fields = tuple(replace(field, name=name) for field, name in zip(probed, names, strict=True))
    instants = frozenset(column.name.lower() for column in prepared.columns.values() if column.type == "timestamp")
    forms = exact_forms(parts[0][0], fields, session.clock, instants)
    exact = [[part.with_exact_forms(names, forms) for part in of_shard] for of_shard in parts]
    query, shown = (_in_a_row(exact[0]), "") if len(shards) == 1 else _merged(exact, fields)
    # A hash is made of what the server sends, an instant in UTC: it does not depend on the session.
    hashed: dict[str, MaskRule] = dict.fromkeys(names[1:], "hash")
    return DescribedQuery(query, fields, hashed, frozenset(forms), has_own_types=len(shards) > 1, shown_sql=shown)


def explain_keys(prepared: PreparedSession, ranges: Sequence[TimeRange]) -> list[KeyScan]:
    """Return how the server would read each table for the keys of these partitions.

    Raises:
        SourceLostError: the server went away.
    """
    return [
        KeyScan(shard.entry.table, explain_sql(prepared.session, _in_a_row(_queries(prepared, shard, ranges)).sql))
        for shard in prepared.shards
    ]


def key_scan_problem(entry: TableEntry, scans: Sequence[KeyScan]) -> str | None:
    """Return why the keys may not be asked for, and the remedy; None if they may."""
    if entry.refresh is None or entry.refresh.allow_scan:
        return None
    for each in scans:
        if each.scan.unknown:
            return (
                f"how the server would read {each.table} is not known: {each.scan.unknown} Nothing is asked, unless the"
                " entry says refresh.allow_scan: true."
            )
    rows = sum(each.scan.rows or 0 for each in scans)
    return keys_problem(entry, rows, [each.table for each in scans if not each.scan.index_usable])


def _in_a_row(queries: Sequence[DatasetQuery]) -> DatasetQuery:
    first, *others = queries
    return replace(first, unions=tuple(replace(query, hints=query.hints.inside()) for query in others))


def _merged(parts: Sequence[Sequence[DatasetQuery]], fields: Sequence[Field]) -> tuple[DatasetQuery, str]:
    """The query over the shards' queries, and its SQL for people."""
    outputs, arms = list[str](), list[str]()
    for of_partition in zip(*parts, strict=True):
        for query in of_partition:
            arm = Arm(query)
            (number, _), *keys = query.outputs
            merged = (arm.merged(sql, field) for (sql, _), field in zip(keys, fields[1:], strict=True))
            outputs = [arm.add(number), *merged]
            arms.append(arm.sql())
    first = parts[0][0]
    return over_arms(replace(first, outputs=tuple(zip(outputs, first.columns, strict=True))), arms, "GROUP BY 1")


def _queries(prepared: PreparedSession, shard: Shard, ranges: Sequence[TimeRange]) -> list[DatasetQuery]:
    """The query of each partition over one table; the number tells its row from those of others.

    The entry's own `where` holds as well: the rows are those that a run reads.
    """
    entry = shard.entry
    keys = entry.refresh.key if entry.refresh else ()
    outputs = tuple((to_sql(key), f"key{place}") for place, key in enumerate(keys))
    # The statement has a limit of its own, which can be shorter than that of a run.
    hints = read_hints(entry.hints).without_limits().with_limit(prepared.session.capabilities.limit_hint)
    return [
        DatasetQuery(
            dataset="summary",
            outputs=((str(number), "number"), *outputs),
            source=quote(entry.source_table.name),
            table=entry.source_table.sql,
            clauses=rows_clauses(entry, shard.in_clock(each, prepared.session.clock).condition),
            order_terms=(),
            count_sql=None,
            limit=None,
            order="one row",
            hints=hints,
        )
        for number, each in enumerate(ranges)
    ]
