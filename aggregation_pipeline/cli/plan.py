"""`plan`: what a run would do, without running anything."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from aggregation_pipeline.cli import common

if TYPE_CHECKING:
    from rich.console import Console

    from aggregation_pipeline.export.dry_run import DatasetPlan, TablePlan
    from aggregation_pipeline.project import Project
    from aggregation_pipeline.source.request import ReadRequest

_NO_PARTITION: Final = "no partition is complete yet; partition.start says where the first begins"


@click.command()
@click.option("--tables", callback=common.names, metavar="A,B", help="Only these entries of the configuration.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@common.explained
def plan(tables: tuple[str, ...] | None, *, as_json: bool) -> None:
    """Show what a run started now would do to each table: SQL, columns, estimated rows, index, snapshot and files.

    All that a run needs is asked: the source, Dagster's PostgreSQL, batch_jobs, the store, the local disk, schedules
    and salt. No row is read and nothing is left behind. Exit code 1 where something is missing or a table would fail: a
    table or column that is not there, a missing grant, no snapshot, a scan that source_limits forbid.

    \b
    aggregation-pipeline plan --tables orders
    aggregation-pipeline plan --json | jq '.needs, .tables[].problems'
    """
    from rich.console import Console
    from rich.markup import escape

    from aggregation_pipeline.config.selection import select_names
    from aggregation_pipeline.export.dry_run import plan_tables
    from aggregation_pipeline.local import (
        console,
        preflight,
    )
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings
    from aggregation_pipeline.settings.connections import open_store, source_options
    from aggregation_pipeline.storage.oss.store import OssStore

    settings = load_settings()
    with console.warnings_shown():
        project = load_project(settings)
    requests, waiting = _requests(
        project, select_names(tables, [table.entry.name for table in project.tables]) if tables else None
    )
    needs = preflight.ask(project)
    store = open_store(settings)
    plans = list(plan_tables(requests, lambda: source_options(settings), store, settings.oss_prefix))
    for each in waiting:
        # Beside others a run leaves it out; of nothing else, there would be no run.
        (each.warnings if requests else each.problems).append(_NO_PARTITION)
    plans += waiting
    good = not any(each.problems for each in plans) and not any(need.problem for need in needs)
    # A store that does not answer has been named as a problem by now.
    warning = store.lifecycle_warning(settings.oss_prefix) if good and isinstance(store, OssStore) else None
    if as_json:
        asked = {
            "ok": good,
            "needs": [asdict(need) for need in needs],
            "store_warning": warning,
            "tables": [asdict(each) for each in plans],
        }
        click.echo(json.dumps(asked, ensure_ascii=False, indent=2))
    else:
        out = Console(highlight=False, soft_wrap=True)
        for each in plans:
            _show(out, each)
        for need in needs:
            if need.problem:
                out.print(f"[red]missing[/]  {escape(f'{need.name}: {need.problem}')}")
        if warning:
            out.print(f"[yellow]warning[/]  {escape(warning)}")
    sys.exit(0 if good else 1)


def _requests(
    project: "Project", wanted: Sequence[str] | None
) -> "tuple[list[tuple[ReadRequest, Sequence[str]]], list[TablePlan]]":
    """What a run started now would read, as `run` itself finds it; and the tables that have no partition yet."""
    from aggregation_pipeline.assets.windows_of_run import partition_targets, whole_table
    from aggregation_pipeline.automation.job_groups import group_tables
    from aggregation_pipeline.automation.run_requests import by_hand
    from aggregation_pipeline.export.dry_run import TablePlan

    now = datetime.now(UTC)
    groups = group_tables(project.tables, cron=project.cron, zone=project.settings.zone)
    runs = {table.entry.name: by_hand(group, now) for group in groups for table in group.tables}
    requests: list[tuple[ReadRequest, Sequence[str]]] = []
    waiting = []
    for table in project.tables:
        name, run = table.entry.name, runs[table.entry.name]
        if wanted is not None and name not in wanted:
            continue
        if run is None:
            waiting.append(TablePlan(name, table.entry.table, "none"))
            continue
        entry = table.entry
        if table.partitions is not None and run.partition is not None:
            targets = partition_targets(entry, table.partitions, [run.partition])
        else:
            targets = [whole_table(run.tags, now, table.zone)]
        requests += [(target.request(entry, entry.options.zero_dates), table.formats) for target in targets]
    return requests, waiting


def _show(console: "Console", plan: "TablePlan") -> None:
    from rich.markup import escape

    verdict = (
        "[red]would fail[/]"
        if plan.problems
        else "[yellow]ready, with warnings[/]"
        if plan.warnings
        else "[green]ready[/]"
    )
    console.print(f"[bold]{escape(plan.table)}[/]  {verdict}")
    for problem in plan.problems:
        console.print(f"  [red]problem[/]   {escape(problem)}")
    for warning in plan.warnings:
        console.print(f"  [yellow]warning[/]   {escape(warning)}")
    snapshot = {True: "one snapshot for all datasets", False: "no snapshot", None: "not asked"}[plan.snapshot]
    facts = [plan.source, snapshot, plan.engines, f"server {plan.server}" if plan.server else ""]
    console.print(f"  source    {escape(', '.join(filter(None, facts)))}")
    console.print(
        f"  window    {plan.window}" + (", published already: a new version where it differs" if plan.published else "")
    )
    for dataset in plan.datasets:
        _show_dataset(console, dataset)
    for file in plan.files:
        console.print(f"  file      {escape(common.readable(file.uri))}")
    console.print()


def _show_dataset(console: "Console", dataset: "DatasetPlan") -> None:
    from rich.markup import escape

    if not dataset.columns:
        console.print(f"  {dataset.name:<9} [dim]{escape(_indented(dataset.sql))}[/]")
        return
    rows = "no estimate of rows" if dataset.estimate is None else f"goes through about {dataset.estimate:,} rows"
    index = f"by index {dataset.index}" if dataset.index else "by no index"
    limit = "" if dataset.limit is None else f", at most {dataset.limit:,} kept"
    console.print(f"  {dataset.name:<9} {rows} {escape(index)}{limit}; ordered by {escape(dataset.order)}")
    console.print(f"            [dim]{escape(_indented(dataset.sql))}[/]")
    shown = [
        f"{name} {kind}" + (f" ({dataset.masks[name]})" if name in dataset.masks else "")
        for name, kind in dataset.columns.items()
    ]
    shown += [f"{name} dropped" for name, rule in dataset.masks.items() if rule == "drop"]
    if shown:
        console.print(f"            {escape(', '.join(shown))}")


def _indented(sql: str) -> str:
    return sql.replace("\n", "\n            ")
