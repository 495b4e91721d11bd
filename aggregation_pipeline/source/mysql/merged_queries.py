"""Several shards as one table: one statement over all of them, or one after the other in the same snapshot.

A summary is one statement. Each shard is grouped by itself, and the server merges the groups:

    SELECT merged.o1 AS `status`, SUM(merged.o2) AS `revenue`
    FROM (SELECT `status` AS o1, SUM(`price`) AS o2 FROM orders_00 GROUP BY 1 UNION ALL SELECT ...) AS merged
    GROUP BY 1 ORDER BY 1

So only the server decides which keys are equal, by their collations, and it computes with its own types. It keeps one
row a group and shard.

Detail rows are read shard after shard, each by its primary key. With `order_by` the server has to merge them: one
statement over all shards, which the server sorts.
"""

from collections.abc import Sequence
from dataclasses import replace

from pymysql.constants import FLAG

from aggregation_pipeline.config.sql.expressions import split_direction
from aggregation_pipeline.config.sql.tokens import quote
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.extract import TIES
from aggregation_pipeline.source.mysql.described_queries import DescribedQuery, describe_queries
from aggregation_pipeline.source.mysql.figures import group_condition
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.session import Session
from aggregation_pipeline.source.mysql.shard import Shard
from aggregation_pipeline.source.mysql.shard_arms import Arm, over_arms


def describe_entry(session: Session, entry: TableEntry, shards: Sequence[Shard]) -> tuple[DescribedQuery, ...]:
    """Return the queries of an entry, the summary first, after the server has checked each of them.

    Args:
        session: in the clock that suits the entry.
        entry: as the config gives it.
        shards: its tables.

    Raises:
        SourceError: the server refuses a statement, a mask names a missing column, or every column would be dropped.
    """
    described = [describe_queries(session, shard) for shard in shards]
    if len(shards) == 1:
        return described[0]
    by_dataset = ([_typed_as(part, parts[0]) for part in parts] for parts in zip(*described, strict=True))
    return tuple(
        _merged_summary(entry, shards, parts)
        if parts[0].query.dataset == "summary"
        else _all_detail(entry, shards, parts)
        for parts in by_dataset
    )


def _typed_as(part: DescribedQuery, first: DescribedQuery) -> DescribedQuery:
    """A shard's query with the types of the first shard's, whose columns are alike.

    Servers describe an output by the plan too: MIN of an ENUM as ENUM or as CHAR.
    """
    return replace(part, fields=first.fields, has_own_types=True)


def _merged_summary(entry: TableEntry, shards: Sequence[Shard], parts: Sequence[DescribedQuery]) -> DescribedQuery:
    first, keys = parts[0], len(entry.group_by)
    terms, groups = list(first.query.order_terms), [str(place) for place in range(1, keys + 1)]
    # Every shard has the same columns in the same order, so the names of one arm are those of all.
    outputs, having, arms = list[str](), "", list[str]()
    for shard, part in zip(shards, parts, strict=True):
        arm = Arm(part.query)
        keys_of_arm = [arm.add(sql) for sql, _ in part.query.outputs[:keys]]
        figures = zip(part.query.outputs[keys:], first.fields[keys:], strict=True)
        outputs = keys_of_arm + [arm.merged(sql, field) for (sql, _), field in figures]
        condition = group_condition(shard.entry)
        having = f"HAVING {arm.merged(condition)}" if condition else ""
        for place in range(keys):
            if _is_numbered(shard, part, part.query.outputs[place][0], place) and not first.query.groups_in_subquery:
                number = arm.add(f"MIN({_number(part.query.outputs[place][0])})")
                terms[place] = number
                groups += [number] if shard is shards[0] else []
        arms.append(arm.sql())
    query = replace(
        first.query,
        outputs=tuple(zip(outputs, first.query.columns, strict=True)),
        having=having,
        order_terms=tuple(terms),
        shard="",
    )
    return _over_all(first, parts, query, arms, f"GROUP BY {', '.join(groups)}" if keys else "")


def _all_detail(entry: TableEntry, shards: Sequence[Shard], parts: Sequence[DescribedQuery]) -> DescribedQuery:
    first = parts[0]
    if entry.order_by is None:
        order = first.query.order
        query = replace(first.query, order=order if order == "none" else f"shard, then {order}", shard="")
        last = f"/* then the same of {len(parts) - 1:,} more shards, one after the other */"
        return replace(first, query=query, shards=tuple(parts), one_by_one=True, shown_sql=f"{query.sql}\n{last}")
    outputs, terms, arms = list[str](), list[str](), list[str]()
    for number, (shard, part) in enumerate(zip(shards, parts, strict=True)):
        arm = Arm(part.query)
        inner = part.query.named_outputs([each.name for each in part.fields])
        outputs = [arm.add(sql) for sql, _ in inner]
        terms = [_outer_term(arm, shard, part, outputs, term) for term in part.query.order_terms]
        # Keys are unique in a shard only.
        terms.append(arm.add(str(number)))
        sql = arm.sql(*part.query.tail)
        # An arm with an order of its own stands in a derived table: old servers take no brackets around it.
        arms.append(f"SELECT * FROM ({sql}) AS shard" if part.query.limit is not None else arm.sql())
    query = replace(
        first.query,
        outputs=tuple(zip(outputs, [each.name for each in first.fields], strict=True)),
        lead=(),
        order_terms=tuple(terms),
        order=f"{first.query.order.removesuffix(TIES)}, then shard{TIES if TIES in first.query.order else ''}",
        shard="",
    )
    return _over_all(first, parts, query, arms, "")


def _over_all(
    first: DescribedQuery, parts: Sequence[DescribedQuery], query: DatasetQuery, arms: Sequence[str], tail: str
) -> DescribedQuery:
    whole, shown = over_arms(query, arms, tail)
    return replace(first, query=whole, shards=tuple(parts), shown_sql=shown)


def _outer_term(arm: Arm, shard: Shard, part: DescribedQuery, outputs: Sequence[str], term: str) -> str:
    """A term of the order over all shards."""
    expression, direction = split_direction(term)
    if expression.isdigit():
        place = int(expression) - 1
        expression = part.query.named_outputs([each.name for each in part.fields])[place][0]
        column = outputs[place]
        if _is_numbered(shard, part, expression, place):
            column = arm.add(_number(expression))
    else:
        column = arm.add(_number(expression) if _is_numbered(shard, part, expression) else expression)
    return f"{column} {direction}".rstrip()


def _is_numbered(shard: Shard, part: DescribedQuery, sql: str, place: int | None = None) -> bool:
    """Whether an expression is an ENUM or SET, ordered by its numbers; in a union of them the values are texts."""
    if place is not None and part.fields[place].flags & (FLAG.ENUM | FLAG.SET):
        return True
    # Not every server says so of an output.
    numbered = [quote(name) for name, column in shard.columns.items() if column.type in ("enum", "set")]
    return sql.casefold().removeprefix(f"{part.query.source}.".casefold()) in map(str.casefold, numbered)


def _number(sql: str) -> str:
    return f"CAST({sql} AS UNSIGNED)"
