"""`source`: aggregates and rows from the server, to the extract and to a finished file."""

import functools
import json
from collections.abc import Callable

from benchmarks import ours
from benchmarks.data import Source
from benchmarks.measuring import Contender, Result, Target, compare, probe, watched
from benchmarks.peers import node_peer, python_peer
from benchmarks.registry import Plan

_FORMATS = {"parquet": 3.0, "csv": 3.5, "json": 4.5, "excel": None}
_PEAK_MB = 300.0
_GROWTH = 1.10
_SMALL = 1_000_000


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Compare aggregates, and then rows, with the raw client."""
    measure = functools.partial(compare, rounds=plan.rounds, report=report)
    aggregates = [
        Contender("raw client, GROUP BY", watched(source.client(ours.statement(ours.AGGREGATE)))),
        Contender(
            "ours, aggregate into the extract",
            probe("ours:extract", address=source.address, entry=ours.AGGREGATE, folder=str(source.folder)),
            targets=(Target("ratio", 1.1),),
            is_ours=True,
        ),
    ]
    results = measure("aggregate", aggregates, paired=True)
    contenders = [
        Contender("raw client, mariadb --quick --batch", watched(source.client(ours.statement(ours.DETAIL)))),
        *_ours(source),
    ]
    results += measure("rows", contenders + (_peers(source) if plan.peers else []), paired=True)
    if source.rows > _SMALL:
        _compare_memory(source, results, plan, report)
    return results


def _ours(source: Source) -> list[Contender]:
    folder = str(source.folder)
    extract = probe("ours:extract", address=source.address, entry=ours.DETAIL, folder=folder)
    aims = (Target("ratio", 2.6), Target("peak_rss_mb", _PEAK_MB))
    found = [Contender("ours, rows into the extract", extract, targets=aims, is_ours=True)]
    for name, limit in _FORMATS.items():
        memory = (Target("peak_rss_mb", _PEAK_MB), Target("rss_growth", _GROWTH))
        time = (Target("ratio", limit),) if limit else ()
        export = probe("ours:export", address=source.address, format_name=name, folder=folder)
        found.append(
            Contender(_name(name), export, "with the stored extract and the manifest", (*time, *memory), is_ours=True)
        )
    return found


def _name(format_name: str) -> str:
    return f"ours, end to end to {format_name}"


def _peers(source: Source) -> list[Contender]:
    address, folder = source.address, str(source.folder)
    inexact = "DECIMAL cut after 10 places; all in memory"
    return [
        *(
            Contender(
                f"polars + connectorx, {name}",
                python_peer("polars_connectorx", address=address, folder=folder, format_name=name),
                inexact,
            )
            for name in ("parquet", "csv", "json")
        ),
        *(
            Contender(f"Node.js, mysql2 to {name}", node_peer(name, _node_job(source, name)), "streamed")
            for name in ("csv", "json")
        ),
        Contender(
            "PyMySQL SSCursor + csv", probe("python_peers:pymysql_csv", address=address, folder=folder), "streamed"
        ),
        Contender(
            "pandas + PyMySQL + to_csv",
            probe("python_peers:pandas_csv", address=address, folder=folder),
            "all in memory",
        ),
        Contender(
            "pandas + PyMySQL + to_csv, chunks",
            probe("python_peers:pandas_csv", address=address, folder=folder, chunk=50_000),
            "streamed",
        ),
    ]


def _node_job(source: Source, name: str) -> str:
    return json.dumps(
        {"address": source.address, "sql": ours.statement(ours.DETAIL), "target": str(source.folder / f"node.{name}")}
    )


def _compare_memory(source: Source, results: list[Result], plan: Plan, report: Callable[[str], None]) -> None:
    """Measure whether memory grows with the rows: compare with the first million rows of the same table."""
    by_name = {result.name: result for result in results}
    for name in _FORMATS:
        report(f"memory: {name} with {_SMALL:,} rows")
        small = probe(
            "ours:export", address=source.address, format_name=name, folder=str(source.folder), where=f"id <= {_SMALL}"
        )
        peak = max(small().peak_rss_mb for _ in range(plan.rounds))
        result = by_name[_name(name)]
        if result.peak_rss_mb:
            result.rss_growth = result.peak_rss_mb / peak
            result.note += f"; {peak:.0f} MiB with {_SMALL:,} rows"
