"""`executors`: the tables of a run one after the other in one process, or several at a time in processes."""

from collections.abc import Callable
from datetime import date
from typing import Any, Final

from aggregation_pipeline.config.loading import DEFAULT_CONFIG
from aggregation_pipeline.embedded.sample_data import load_sample_data
from benchmarks.data import Source
from benchmarks.judging import Result
from benchmarks.measuring import Contender, compare, probe
from benchmarks.registry import Plan
from benchmarks.storage import postgres

_TABLES: Final = 20
_ENTRY: Final = """
  table_{number}:
    table: orders
    group_by: [DATE(created_at), city, status]
    aggregations: [{{function: COUNT, alias: orders}}, {{function: SUM, field: amount, alias: amount}}]
    select_fields: ['*']
    where: id > {first} AND id <= {last}
"""


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Measure, in all formats, the job of `make demo` and a job of 20 tables that each read a twentieth of the rows."""
    each = source.rows // _TABLES
    many = "".join(
        _ENTRY.format(number=number, first=number * each, last=(number + 1) * each) for number in range(_TABLES)
    )
    shop = {**source.address, "database": "shop"}
    source.execute("CREATE DATABASE shop CHARACTER SET utf8mb4")
    load_sample_data(shop, today=date(2026, 11, 21), progress=lambda _done, _total: None)
    results = []
    with postgres(source, report) as new_database:
        given: dict[str, Any] = {"url": new_database(), "folder": str(source.folder)}
        for name, address, config in (
            ("the sample job, 3 tables", shop, DEFAULT_CONFIG.read_text(encoding="utf-8")),
            (f"{_TABLES} tables of {each:,} rows", source.address, f"tables:{many}"),
        ):
            contenders = [
                Contender(
                    f"EXECUTOR={executor}",
                    probe("whole_runs:job", address=address, config=config, executor=executor, **given),
                    note="memory is the parent's" if executor == "multiprocess" else "",
                    is_ours=True,
                )
                for executor in ("in_process", "multiprocess")
            ]
            results += compare(name, contenders, rounds=plan.rounds, paired=False, report=report)
    return results
