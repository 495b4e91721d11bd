"""`source`: aggregates and rows from the server, to the extract and to a finished file."""

import functools
import json
from collections.abc import Callable
from typing import Any

from benchmarks import ours
from benchmarks.data import Source
from benchmarks.judging import Result, Target
from benchmarks.measuring import Contender, compare, probe, watched
from benchmarks.peers import node_peer, python_peer
from benchmarks.registry import Plan
from benchmarks.shapes import LONG, ORDERS, WIDE

_FORMATS = {"parquet": 1.3, "csv": 1.6, "json": 1.8, "excel": 4.5}
_INEXACT = "DECIMAL cut after 10 places; all in memory"


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Compare aggregates, and then rows of three shapes, with the raw client."""
    measure = functools.partial(compare, rounds=plan.rounds, paired=True, report=report)
    raw = Contender("raw client, mariadb --quick --batch", watched(source.client(ours.statement(ours.DETAIL))))
    rows = [raw, *_ours(source), *(_peers(source) if plan.peers else [])]
    wide, long = source.rows // 20, source.rows // 5
    return [
        *measure(f"rows, {source.rows:,}", rows),
        *measure(f"aggregate, {plan.large:,} rows", _aggregates(source, source.fill(ORDERS, plan.large))),
        *measure(f"200 columns x {wide:,} rows", _parquet(source, source.fill(WIDE, wide), Target("ratio", 1.5))),
        *measure(f"2 KB of text x {long:,} rows", _parquet(source, source.fill(LONG, long))),
    ]


def _aggregates(source: Source, table: str) -> list[Contender]:
    ours_too = probe(
        "ours:extract", address=source.address, entry=ours.AGGREGATE, folder=str(source.folder), table=table
    )
    return [
        Contender("raw client, GROUP BY", watched(source.client(ours.statement(ours.AGGREGATE, table)))),
        Contender("ours, aggregate into the extract", ours_too, targets=(Target("ratio", 1.03),), is_ours=True),
    ]


def _parquet(source: Source, table: str, *targets: Target) -> list[Contender]:
    export = probe("ours:export", address=source.address, formats=["parquet"], folder=str(source.folder), table=table)
    return [
        Contender("raw client", watched(source.client(ours.statement(ours.DETAIL, table)))),
        Contender(_name("parquet"), export, targets=targets, is_ours=True),
    ]


def _ours(source: Source) -> list[Contender]:
    given: dict[str, Any] = {"address": source.address, "folder": str(source.folder)}
    found = [
        Contender(
            "ours, rows into the extract",
            probe("ours:extract", **given, entry=ours.DETAIL),
            targets=(Target("ratio", 1.2),),
            is_ours=True,
        )
    ]
    for name, limit in _FORMATS.items():
        beside = () if name == "excel" else (Target("ratio", 1.0, beside=(_polars(name),)),)
        export = probe("ours:export", **given, formats=[name])
        found.append(Contender(_name(name), export, targets=(Target("ratio", limit), *beside), is_ours=True))
    slowest = Target("ratio", 1.3, beside=tuple(map(_name, _FORMATS)))
    together = probe("ours:export", **given, formats=list(_FORMATS))
    found.append(Contender("ours, all four formats in one run", together, targets=(slowest,), is_ours=True))
    without = {
        "rows into the extract": probe("uncompiled:extract", **given, entry=ours.DETAIL),
        **{f"end to end to {name}": probe("uncompiled:export", **given, formats=[name]) for name in ("csv", "json")},
    }
    note = "as where there is no compiler"
    return [*found, *(Contender(f"ours without C, {name}", run, note, is_ours=True) for name, run in without.items())]


def _name(format_name: str) -> str:
    return f"ours, end to end to {format_name}"


def _polars(format_name: str) -> str:
    return f"polars + connectorx, {format_name}"


def _peers(source: Source) -> list[Contender]:
    given: dict[str, Any] = {"address": source.address, "folder": str(source.folder)}
    texts = ("csv", "json")
    return [
        *(
            Contender(_polars(name), python_peer("polars_connectorx", **given, format_name=name), _INEXACT)
            for name in ("parquet", *texts)
        ),
        *(
            Contender(
                f"DuckDB + connectorx, {name}",
                python_peer("duckdb_connectorx", **given, format_name=name),
                "DECIMAL cut after 10 places; streamed",
            )
            for name in ("parquet", *texts)
        ),
        *(
            Contender(f"dlt + connectorx, {name}", python_peer("dlt_connectorx", **given, format_name=name), _INEXACT)
            for name in ("parquet", "csv")
        ),
        *(
            Contender(f"Node.js, mysql2 to {name}", node_peer(name, _node_job(source, name)), "streamed")
            for name in texts
        ),
        Contender("PyMySQL SSCursor + csv", probe("python_peers:pymysql_csv", **given), "streamed"),
        Contender("pandas + PyMySQL + to_csv", python_peer("pandas_csv", **given), "all in memory"),
        Contender("pandas + PyMySQL + to_csv, chunks", python_peer("pandas_csv", **given, chunk=50_000), "streamed"),
    ]


def _node_job(source: Source, name: str) -> str:
    few = ours.statement({**ours.DETAIL, "where": "id <= 1000"})
    target = str(source.folder / f"node.{name}")
    return json.dumps({"address": source.address, "sql": ours.statement(ours.DETAIL), "few": few, "target": target})
