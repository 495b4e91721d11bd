"""How a server means to run a query (EXPLAIN), and whether that is more than may be asked of it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.mysql.query import DatasetQuery
from aggregation_pipeline.source.mysql.session import Session

# Below this many rows a table is read in a blink, with an index or without.
BIG_TABLE: Final = 100_000
_OPERATOR: Final = re.compile(
    r"^\|\s*\d+\s*\|[\s│├└─]*(?P<what>[A-Z ]*TABLE [A-Z -]+?)\s*\|(?P<name>[^|]*)\|\s*(?P<rows>\d+)\s*\|"
)
# The servers themselves write "avaiable". Those of no use are named again, as pruned; the table itself is one of them.
_TABLE: Final = re.compile(
    r"^\s*(?P<table>\S+):\s*\n\s*table_rows:(?P<rows>\d+)(?:(?!table_rows:).)*?"
    r"avai\w*_index_name:\[(?P<possible>[^\]]*)\](?:\s*pruned_index_name:\[(?P<pruned>[^\]]*)\])?",
    re.MULTILINE | re.DOTALL,
)
_NAME: Final = re.compile(r"(?P<table>.*?)(?:\((?P<index>[^()]*)\))?")


@dataclass(frozen=True)
class Scan:
    """What is read for a query.

    Attributes:
        rows: the server's estimate of the rows that it goes through in the largest table; None where it gives none.
        index: the index that it goes by, `PRIMARY` for the key's; None for a table read as it lies.
        narrowed: whether an index leads to the rows, or could, instead of all of them having to be looked at.
        unknown: why nothing is known of it, in words with the remedy; empty where it is.
    """

    rows: int | None
    index: str | None
    narrowed: bool
    unknown: str = ""


def explain_query(session: Session, query: DatasetQuery) -> Scan:
    """Ask the server how it would run a query.

    The format is named: EXPLAIN alone answers as a server's version and its `explain_format` would have it.

    Raises:
        SourceLostError: the server went away.
    """
    try:
        names, rows = session.rows(f"EXPLAIN FORMAT=TRADITIONAL {query.sql}")
        if len(names) == 1:
            scan = _oceanbase(session, query, "\n".join(str(row[0]) for row in rows))
        else:
            scan = _mysql([dict(zip((name.lower() for name in names), row, strict=True)) for row in rows])
    except SourceLostError:
        raise
    except SourceError as error:
        # Views need a right of their own to be explained; the query itself does not.
        return _unknown(f"{error} Behind a view that takes SHOW VIEW on it and SELECT on its tables.")
    return scan or _unknown(f"EXPLAIN answered in a form that is not understood ({', '.join(names)}).")


def _unknown(why: str) -> Scan:
    return Scan(None, None, narrowed=False, unknown=why)


def scan_problem(entry: TableEntry, query: DatasetQuery, scan: Scan) -> str | None:
    """Return what is wrong with a scan, in words with the remedy, or None."""
    if scan.unknown:
        return (
            f"{query.dataset}: how the server would go through {entry.table} is not known, so on_scan cannot be judged:"
            f" {scan.unknown}"
        )
    if scan.rows is None:
        return None
    conditions = [f"its `where` ({entry.where})"] if entry.where is not None else []
    conditions += [f"a partition by {entry.partition.column}"] if entry.partition is not None else []
    if conditions and not scan.narrowed and scan.rows >= BIG_TABLE:
        return (
            f"{query.dataset}: no index leads to the rows of {' and '.join(conditions)}, so about {scan.rows:,} are"
            f" looked at one by one. Compare a bare column with a constant in it, and give {entry.table} an index on"
            " that column."
        )
    most = entry.source_limits.max_scan_rows
    if scan.rows > most:
        return (
            f"{query.dataset}: the server would go through about {scan.rows:,} rows of {entry.table}, over"
            f" max_scan_rows = {most:,}. Narrow its `where` to what an index finds, or raise"
            " source_limits.max_scan_rows."
        )
    return None


def check_scan(
    session: Session,
    entry: TableEntry,
    query: DatasetQuery,
    warn: Callable[[str], None],
    note: Callable[[str], None] = lambda _: None,
) -> None:
    """Explain a query, and warn or raise, as `on_scan` says, where it asks too much.

    Where that cannot be known, `note` hears it.

    Raises:
        SourceError: it does, or cannot be known, and `on_scan` is `error`.
    """
    scan = explain_query(session, query)
    problem = scan_problem(entry, query, scan)
    if problem and entry.source_limits.on_scan == "error":
        raise SourceError(f"{problem} Nothing was read, because source_limits.on_scan is error.")
    if problem:
        (note if scan.unknown else warn)(problem)


def _mysql(lines: list[dict[str, str | None]]) -> Scan | None:
    """MySQL and MariaDB: a line a table."""
    tables = [
        line
        for line in lines
        if line.get("table") and not str(line["table"]).startswith("<") and line.get("rows") is not None
    ]
    if not all({"type", "key", "rows"} <= line.keys() for line in lines):
        return None
    if not tables:
        # "Impossible WHERE", "Select tables optimized away": nothing to go through.
        return Scan(0, None, narrowed=True)
    # The largest decides: views and sub-selects may bring others.
    largest = max(tables, key=lambda line: int(str(line["rows"])))
    key = None if largest["key"] is None else str(largest["key"])
    # With an index that it could take and does not, the server has found that the condition leaves most rows.
    narrowed = largest.get("possible_keys") is not None or str(largest["type"]) not in ("ALL", "index")
    return Scan(int(str(largest["rows"])), key, narrowed=narrowed)


def _oceanbase(session: Session, query: DatasetQuery, plan: str) -> Scan | None:
    """OceanBase and seekdb: a drawing of operators, whose estimates count the rows that are left after the filter."""
    found = [match for line in plan.splitlines() if (match := _OPERATOR.match(line))]
    if not found:
        # A view of constants: nothing to go through.
        return Scan(0, None, narrowed=True) if "EXPRESSION" in plan else None
    scans = []
    for match in found:
        name = _NAME.fullmatch(match["name"].strip())
        full = "FULL SCAN" in match["what"]
        index = (name["index"] if name else None) or ("PRIMARY" if not full else None)
        scans.append(Scan(int(match["rows"]), index, narrowed=not full))
    largest = max(scans, key=lambda scan: (not scan.narrowed, scan.rows or 0))
    if largest.narrowed:
        return largest
    # How many rows there are, and which indexes it could have taken and has not, it says only when asked for more.
    extended = "\n".join(str(row[0]) for row in session.rows(f"EXPLAIN EXTENDED {query.sql}")[1])
    tables = list(_TABLE.finditer(extended))
    if not tables:
        return Scan(largest.rows, largest.index, narrowed=False)
    widest = max(tables, key=lambda table: int(table["rows"]))
    return Scan(max(largest.rows or 0, int(widest["rows"])), largest.index, narrowed=bool(_usable(widest)))


def _usable(table: re.Match[str]) -> set[str]:
    possible, pruned = ({name.strip() for name in (table[kind] or "").split(",")} for kind in ("possible", "pruned"))
    return possible - pruned - {table["table"], ""}
