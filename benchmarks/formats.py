"""`formats`: from an extract to a file, without a server."""

import functools
import json
from collections.abc import Callable
from typing import Any

from benchmarks.data import TABLE, Source
from benchmarks.judging import Result, Target
from benchmarks.measuring import Contender, compare, probe
from benchmarks.peers import node_peer, python_peer
from benchmarks.registry import Plan

_EXCEL_ROWS = 200_000


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Compare CSV and JSON with ours, and Excel with openpyxl."""
    few, all_rows, sheet = (str(source.folder / f"{name}.parquet") for name in ("few", "all", "sheet"))
    for path, rows in ((few, 1_000), (all_rows, source.rows), (sheet, _EXCEL_ROWS)):
        probe("ours:save_extract", address=source.address, rows=rows, path=path)()
    folder = str(source.folder)
    measure = functools.partial(compare, rounds=plan.rounds, paired=True, report=report)
    results = []
    for name in ("csv", "json"):
        given: dict[str, Any] = {"path": all_rows, "rehearsal": few, "folder": folder, "format_name": name}
        contenders = [Contender(f"ours, {name}", probe("ours:rendering", **given), is_ours=True)]
        if plan.peers:
            array = "lines, not an array" if name == "json" else ""
            contenders += [
                Contender(f"polars, {name}", python_peer("rendering_peers:render_polars", **given), array),
                Contender(f"DuckDB, {name}", python_peer("rendering_peers:render_duckdb", **given)),
                Contender(f"pandas, {name}", python_peer("rendering_peers:render_pandas", **given), "all in memory"),
            ]
        results += measure(f"render {name}", contenders)
    return results + measure("render excel", _excel(source, plan, {"path": sheet, "rehearsal": few, "folder": folder}))


def _excel(source: Source, plan: Plan, given: dict[str, Any]) -> list[Contender]:
    ours = probe("ours:rendering", **given, format_name="excel")
    openpyxl = probe("rendering_peers:render_openpyxl", **given)
    found = [
        Contender("ours, excel", ours, is_ours=True),
        Contender("openpyxl write-only", openpyxl, targets=(Target("ratio", 40, at_least=True),)),
    ]
    if not plan.peers:
        return found
    sql = f"SELECT * FROM {TABLE} WHERE id <= "
    job = json.dumps(
        {
            "address": source.address,
            "sql": f"{sql}{_EXCEL_ROWS} ORDER BY id",
            "few": f"{sql}1000",
            "target": str(source.folder / "node.xlsx"),
        }
    )
    return [
        *found,
        Contender("XlsxWriter constant_memory", python_peer("rendering_peers:render_xlsxwriter", **given)),
        Contender(
            "pandas to_excel",
            python_peer("rendering_peers:render_pandas", **given, format_name="excel"),
            "all in memory",
        ),
        Contender("Node.js, exceljs streamed", node_peer("excel", job), "reads from the server too"),
    ]
