"""A statement over several shards: one SELECT a shard, an arm, and what makes one result of all arms."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pymysql.constants import FIELD_TYPE

from aggregation_pipeline.config.entry_query import INNER_OUTPUT_NAME
from aggregation_pipeline.config.sql.merging import AggregateCall, split_aggregate
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.row_protocol import Field

_MERGED: Final = "merged"
_NUMBERS: Final = frozenset((FIELD_TYPE.NEWDECIMAL, FIELD_TYPE.DOUBLE, FIELD_TYPE.LONGLONG, FIELD_TYPE.LONG))
# Of more, only the first and the last are shown to people.
_SHOWN_ARMS: Final = 3


class Arm:
    """The SELECT of one shard within a statement over all of them. Its columns are called o1, o2 and so on."""

    def __init__(self, query: DatasetQuery) -> None:
        self._query = query
        self._columns: list[str] = []
        self._calls: dict[str, str] = {}

    def add(self, sql: str) -> str:
        """Select something; return the name of its column in the outer statement."""
        self._columns.append(sql)
        return f"{_MERGED}.{INNER_OUTPUT_NAME.format(len(self._columns))}"

    def merged(self, sql: str, field: Field | None = None) -> str:
        """The SQL of an aggregate over all shards, whose calls each shard answers; the same call once.

        Args:
            sql: of one shard.
            field: what the server says of its result; None in a condition.
        """
        # A text shows no hidden digits, and a DECIMAL is rounded when it is shown.
        all_digits = field is None or field.type_code in _NUMBERS

        def of_all(call: AggregateCall) -> str:
            parts = call.parts(all_digits=all_digits)
            for part in parts:
                if part not in self._calls:
                    self._calls[part] = self.add(part)
            return call.merged([self._calls[part] for part in parts])

        split = split_aggregate(sql)
        merged = split.joined(of_all)
        if field is None or field.type_code != FIELD_TYPE.NEWDECIMAL:
            return merged
        has_hidden = any(call.has_hidden_digits for call in split.calls)
        return f"ROUND({merged}, {field.scale})" if has_hidden else merged

    def sql(self, *tail: str) -> str:
        """The SELECT with what stands behind its clauses."""
        named = (f"{sql} AS {INNER_OUTPUT_NAME.format(place)}" for place, sql in enumerate(self._columns, start=1))
        select = self._query.hints.inside().select
        return " ".join(filter(None, (f"{select} {', '.join(named)}", self._query.clauses, *tail)))


def over_arms(query: DatasetQuery, arms: Sequence[str], tail: str) -> tuple[DatasetQuery, str]:
    """The query with its arms as what it reads from, and its SQL for people, which has only the first and the last.

    Args:
        query: over the columns of the arms.
        arms: the SELECT of each shard.
        tail: what stands behind them: `GROUP BY 1`, or nothing.
    """
    shown = arms
    if len(arms) > _SHOWN_ARMS:
        shown = [f"{arms[0]} /* and the same of {len(arms) - 2:,} more shards */", arms[-1]]
    whole, short = (
        replace(
            query,
            clauses=" ".join(filter(None, ("FROM (" + "\nUNION ALL\n".join(each) + f") AS {_MERGED}", tail))),
            hints=query.hints.around(),
        )
        for each in (arms, shown)
    )
    return whole, short.sql
