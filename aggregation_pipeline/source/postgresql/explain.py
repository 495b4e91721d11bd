"""How a server would run a query (EXPLAIN), and whether that is more load than the entry allows."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.postgresql.calendar import Calendar
from aggregation_pipeline.source.postgresql.described import DescribedQuery
from aggregation_pipeline.source.postgresql.session import Session, regclass
from aggregation_pipeline.source.scans import rows_problem

# A smaller table is read in no time, with an index or without.
_APPENDS: Final = ("Append", "Merge Append")
# Replaces MASK_SALT, which has an effect only on values.
_NO_SALT: Final = SecretStr("no value is read")


@dataclass(frozen=True)
class Scan:
    """What the server reads for a query.

    Attributes:
        rows: the server's estimate of the rows that it reads of the largest table.
        index: the index that it uses; None for a scan of the table.
        searched: whether the index leads to the rows; otherwise all rows of the table are read.
    """

    rows: int
    index: str | None
    searched: bool


def explain(session: Session, described: DescribedQuery) -> Scan:
    """Ask the server how it would run a query.

    Raises:
        SourceLostError: it went away.
        SourceError: it refuses to tell.
    """
    sql = described.statement(described.column_types(ZoneInfo("UTC"), Calendar("null"), _NO_SALT, ()))
    scans = list(scans_of(session, plan_of(session, sql)))
    if not scans:
        # Constants, or a condition that holds for nothing.
        return Scan(0, None, searched=True)
    return max(scans, key=lambda scan: (scan.rows, not scan.searched))


def plan_of(session: Session, sql: str) -> Mapping[str, Any]:
    """Return the outermost node of a statement's plan.

    Raises:
        SourceLostError: the server went away.
        SourceError: it refuses to tell.
    """
    # VERBOSE names the schema of a table.
    ((plan,),) = session.link.rows(f"EXPLAIN (FORMAT JSON, VERBOSE) {sql}", copy=False)
    found: Mapping[str, Any] = json.loads(plan)[0]["Plan"]
    return found


def scans_of(session: Session, node: Mapping[str, Any]) -> Iterator[Scan]:
    """Read the tables of a plan; the parts of one that is partitioned count as one."""
    inner = (scan for each in node.get("Plans", ()) for scan in scans_of(session, each))
    if node["Node Type"] in _APPENDS:
        if parts := list(inner):
            most = max(parts, key=lambda scan: (not scan.searched, scan.rows))
            yield replace(most, rows=sum(scan.rows for scan in parts))
        return
    if "Relation Name" in node:
        yield _scan(session, node)
    yield from inner


def _scan(session: Session, node: Mapping[str, Any]) -> Scan:
    """Read the node of one table. A plan estimates the rows that are left, and a scan reads all of the table."""
    inner = next((each for each in node.get("Plans", ()) if each["Node Type"] == "Bitmap Index Scan"), node)
    index = inner.get("Index Name")
    searched = "Index Cond" in inner or node["Node Type"] == "Tid Scan"
    rows = int(node["Plan Rows"])
    return Scan(rows if searched else max(rows, _rows_of(session, node)), index, searched=searched)


def _rows_of(session: Session, node: Mapping[str, Any]) -> int:
    table = regclass(TableName(str(node["Schema"]), str(node["Relation Name"])))
    (found,) = session.link.row(f"SELECT max(reltuples)::int8 FROM pg_class WHERE oid = {table}")
    # -1 of a table that was never analyzed.
    return max(0, found or 0)


def scan_problem(entry: TableEntry, dataset: str, scan: Scan) -> str | None:
    """Return what is wrong with a scan and the remedy, or None."""
    return rows_problem(entry, dataset, scan.rows, searched=scan.searched)


def check_scan(session: Session, entry: TableEntry, described: DescribedQuery, warn: Callable[[str], None]) -> None:
    """Explain a query; if it would read too much, warn or raise as `on_scan` says.

    Raises:
        SourceError: the query reads too much, and `on_scan` is `error`; or the server does not tell.
    """
    dataset = described.query.dataset
    problem = scan_problem(entry, dataset, explain(session, described))
    if problem and entry.source_limits.on_scan == "error":
        raise SourceError(f"{problem} Nothing was read, because source_limits.on_scan is error.")
    if problem:
        warn(problem)
