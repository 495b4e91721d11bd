"""How a server would run a query (EXPLAIN), and whether that is more load than the entry allows."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.session import Session
from aggregation_pipeline.source.scans import rows_problem

# A smaller table is read in no time, with an index or without.
_OPERATOR: Final = re.compile(
    r"^\|\s*\d+\s*\|[\s│├└─]*(?P<what>[A-Z ]*TABLE [A-Z -]+?)\s*\|(?P<name>[^|]*)\|\s*(?P<rows>\d+)\s*\|"
)
# The servers themselves write "avaiable". Indexes that are of no use are listed again as pruned, and the table's own
# name is among the available ones.
_TABLE: Final = re.compile(
    r"^\s*(?P<table>\S+):\s*\n\s*table_rows:(?P<rows>\d+)(?:(?!table_rows:).)*?"
    r"avai\w*_index_name:\[(?P<possible>[^\]]*)\](?:\s*pruned_index_name:\[(?P<pruned>[^\]]*)\])?",
    re.MULTILINE | re.DOTALL,
)
_IS_OCEANBASE: Final = re.compile(r"^\|ID\s*\|OPERATOR\s*\|", re.MULTILINE)
_TIDB_SCAN: Final = re.compile(r"(?:Table|Index)(?P<whole>Full|Range|RowID)Scan")
_TIDB_INDEX: Final = re.compile(r"index:(?P<index>.+?)\(")
# A privilege is missing.
_DENIED: Final = (1142, 1143, 1345)
_NAME: Final = re.compile(r"(?P<table>.*?)(?:\((?P<index>[^()]*)\))?")


@dataclass(frozen=True)
class Scan:
    """What the server reads for a query.

    Attributes:
        rows: the server's estimate of the rows that it reads of the largest table; None if it gives none.
        index: the index that it uses, `PRIMARY` for the primary key; None for a full scan of the table.
        index_usable: whether an index leads to the rows, or could; otherwise all rows of the table are read.
        unknown: why nothing is known, with the remedy; empty if it is known.
    """

    rows: int | None
    index: str | None
    index_usable: bool
    unknown: str = ""


def explain_query(session: Session, query: DatasetQuery) -> Scan:
    """Ask the server how it would run a query. Raises SourceLostError if it went away."""
    return explain_sql(session, query.sql)


def explain_sql(session: Session, sql: str) -> Scan:
    """Ask the server how it would run a statement; of several SELECTs in a UNION, the one that reads most counts.

    The format is given, because the default differs by version and by `explain_format`. What the answer looks like
    decides how it is read; an answer that is not understood says nothing.

    Raises:
        SourceLostError: the server went away.
    """
    try:
        return _explained(session, sql, "EXPLAIN FORMAT=TRADITIONAL ")
    except SourceLostError:
        raise
    except SourceError as error:
        refused = error
    if refused.code not in _DENIED:
        # Some servers know no formats, and answer without one in a form that they all have in common.
        try:
            return _explained(session, sql, "EXPLAIN ")
        except SourceLostError:
            raise
        except SourceError:
            return _unknown(f"the server explains no such statement: {refused}")
    # EXPLAIN of a view needs privileges that the query itself does not.
    return _unknown(f"{refused} For a view, EXPLAIN needs SHOW VIEW on it and SELECT on its tables.")


def _explained(session: Session, sql: str, explain: str) -> Scan:
    names, rows = session.rows(f"{explain}{sql}")
    columns = [name.lower() for name in names]
    lines = [dict(zip(columns, row, strict=True)) for row in rows]
    scan = None
    if {"type", "key", "rows"} <= set(columns):
        scan = _scan_of_mysql(lines)
    elif {"id", "estrows", "access object", "operator info"} <= set(columns):
        scan = _scan_of_tidb(lines)
    elif len(columns) == 1:
        text = "\n".join(str(row[0]) for row in rows)
        scan = _scan_of_oceanbase(session, sql, text) if _IS_OCEANBASE.search(text) else None
    return scan or _unknown(
        f"EXPLAIN answered in a form that is not understood ({', '.join(names)}), so it cannot be judged."
    )


def _unknown(why: str) -> Scan:
    return Scan(None, None, index_usable=False, unknown=why)


def explain_all(session: Session, queries: Sequence[DatasetQuery]) -> Scan:
    """Ask the server how it would run the queries of one dataset, one a shard; the rows that it reads add up.

    Raises:
        SourceLostError: the server went away.
    """
    scans = [explain_query(session, query) for query in queries]
    # What an index does not serve decides, then the largest.
    worst = max(scans, key=lambda scan: (bool(scan.unknown), not scan.index_usable, scan.rows or 0))
    known = [scan.rows for scan in scans if scan.rows is not None]
    return replace(worst, rows=sum(known) if known else None)


def scan_problem(entry: TableEntry, query: DatasetQuery, scan: Scan) -> str | None:
    """Return what is wrong with a scan and the remedy, or None."""
    if scan.unknown:
        return (
            f"{query.dataset}: how the server would read {entry.table} is not known, so on_scan cannot be applied:"
            f" {scan.unknown}"
        )
    if scan.rows is None:
        return None
    return rows_problem(entry, query.dataset, scan.rows, searched=scan.index_usable)


def check_scan(
    session: Session,
    entry: TableEntry,
    queries: Sequence[DatasetQuery],
    warn: Callable[[str], None],
    note: Callable[[str], None] = lambda _: None,
) -> None:
    """Explain the queries of a dataset; if they would read too much, warn or raise as `on_scan` says.

    Args:
        queries: one, or one a shard.
        warn: hears what is wrong with the scan.
        note: hears it instead if nothing is known of the scan.

    Raises:
        SourceError: the query reads too much, or that is not known, and `on_scan` is `error`.
    """
    scan = explain_all(session, queries)
    problem = scan_problem(entry, queries[0], scan)
    if problem and entry.source_limits.on_scan == "error":
        raise SourceError(f"{problem} Nothing was read, because source_limits.on_scan is error.")
    if problem:
        (note if scan.unknown else warn)(problem)


def _scan_of_mysql(lines: list[dict[str, str | None]]) -> Scan:
    """Read a plan of MySQL or MariaDB: one line for each table."""
    tables = [
        line
        for line in lines
        if line.get("table") and not str(line["table"]).startswith("<") and line.get("rows") is not None
    ]
    if not tables:
        # "Impossible WHERE", "Select tables optimized away": no row is read.
        return Scan(0, None, index_usable=True)
    # The largest table decides: views and sub-selects may add smaller ones.
    largest = max(tables, key=lambda line: int(str(line["rows"])))
    key = None if largest["key"] is None else str(largest["key"])
    # If the server could use an index and does not, it has found that the condition keeps most rows.
    index_usable = largest.get("possible_keys") is not None or str(largest["type"]) not in ("ALL", "index")
    return Scan(int(str(largest["rows"])), key, index_usable=index_usable)


def _scan_of_tidb(lines: list[dict[str, str | None]]) -> Scan | None:
    """Read a plan of TiDB: a line for each operator. Those that read a table name it as their access object."""
    scans, points = [], 0
    for line in lines:
        operator, place = str(line["id"]), str(line["access object"] or "")
        if "Point_Get" in operator or "PointGet" in operator or "TableDual" in operator:
            points += 1
        elif (found := _TIDB_SCAN.search(operator)) and "table:" in place:
            if "stats:pseudo" in str(line["operator info"]):
                return _unknown(f"TiDB has no statistics of {place.partition(',')[0]}: run ANALYZE TABLE there.")
            index = _TIDB_INDEX.search(place)
            whole = found["whole"] == "Full"
            key = index["index"] if index else None if whole else "PRIMARY"
            # What is read once for each row of another table is read by its key.
            scans.append(Scan(math.ceil(float(str(line["estrows"]))), key, index_usable=not whole))
    if not scans:
        return Scan(points, "PRIMARY" if points else None, index_usable=True) if points else None
    return max(scans, key=lambda scan: (not scan.index_usable, scan.rows or 0))


def _scan_of_oceanbase(session: Session, sql: str, plan: str) -> Scan | None:
    """Read a plan of OceanBase or seekdb: a drawing of operators, with estimates of the rows left after the filter."""
    found = [match for line in plan.splitlines() if (match := _OPERATOR.match(line))]
    if not found:
        # A view of constants: no row is read.
        return Scan(0, None, index_usable=True) if "EXPRESSION" in plan else None
    scans = []
    for match in found:
        name = _NAME.fullmatch(match["name"].strip())
        full = "FULL SCAN" in match["what"]
        index = (name["index"] if name else None) or ("PRIMARY" if not full else None)
        scans.append(Scan(int(match["rows"]), index, index_usable=not full))
    largest = max(scans, key=lambda scan: (not scan.index_usable, scan.rows or 0))
    if largest.index_usable:
        return largest
    # Only EXTENDED shows how many rows there are, and which indexes could have been used.
    extended = "\n".join(str(row[0]) for row in session.rows(f"EXPLAIN EXTENDED {sql}")[1])
    tables = list(_TABLE.finditer(extended))
    if not tables:
        return Scan(largest.rows, largest.index, index_usable=False)
    widest = max(tables, key=lambda table: int(table["rows"]))
    return Scan(max(largest.rows or 0, int(widest["rows"])), largest.index, index_usable=bool(_usable(widest)))


def _usable(table: re.Match[str]) -> set[str]:
    possible, pruned = ({name.strip() for name in (table[kind] or "").split(",")} for kind in ("possible", "pruned"))
    return possible - pruned - {table["table"], ""}
