"""What shows that the datasets of one window were not read at one moment of the bank."""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aggregation_pipeline_tests.storm.bank import ACCOUNTS, ARCHIVE, TOTAL

Rows = list[dict[str, Any]]
# Rows by the name of the dataset, summary and detail.
Window = Mapping[str, Rows]


def contradictions(table: str, window: Window) -> list[str]:
    """Return what cannot have been read at one moment. A window may have one dataset or both, as text or as numbers."""
    pairs = {"accounts": _accounts, "archive": _archive, "moves": _moves}[table](window)
    return [f"{what}: {one} against {other}" for what, (one, other) in pairs.items() if one != other]


# Each of these returns, by name, two values that have to be equal.
_Pairs = dict[str, tuple[object, object]]


def _accounts(window: Window) -> _Pairs:
    summary, detail = window.get("summary"), window.get("detail")
    pairs: _Pairs = {f"the money of {name}": (_sum(rows, "balance"), TOTAL) for name, rows in window.items()}
    if summary is not None:
        pairs["what each row saw"] = (len({(row["seen"], row["entries"]) for row in summary}), 1)
        pairs["moves against the ledger"] = (_sum(summary, "moves"), 2 * Decimal(str(summary[0]["entries"])))
        pairs["accounts"] = (_sum(summary, "accounts"), Decimal(ACCOUNTS))
    if detail is not None:
        pairs["rows of detail"] = (len(detail), ACCOUNTS)
    if summary is not None and detail is not None:
        for column in ("balance", "moves"):
            by_branch = {row["branch"]: Decimal(str(row[column])) for row in summary}
            pairs[f"{column} by branch"] = (by_branch, {name: _of_branch(detail, name, column) for name in by_branch})
    return pairs


def _archive(window: Window) -> _Pairs:
    rows = window["detail"]
    in_order = [int(row["id"]) for row in rows] == list(range(1, ARCHIVE + 1))
    last_word = hashlib.sha256(str(ARCHIVE).encode()).hexdigest() * 3
    return {"rows of the archive": (in_order, True), "its last word": (rows[-1]["words"], last_word)}


def _moves(window: Window) -> _Pairs:
    summary, detail = window.get("summary"), window.get("detail")
    if summary is None or detail is None:
        return {}
    return {
        "entries": (Decimal(str(summary[0]["entries"])), Decimal(len(detail))),
        "amount": (Decimal(str(summary[0]["amount"] or 0)), _sum(detail, "amount")),
    }


def _of_branch(rows: Rows, branch: str, column: str) -> Decimal:
    return _sum([row for row in rows if row["branch"] == branch], column)


def _sum(rows: Rows, column: str) -> Decimal:
    return sum((Decimal(str(row[column])) for row in rows), Decimal())
