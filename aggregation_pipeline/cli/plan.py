"""`plan`: what a run would do, without running anything."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from aggregation_pipeline.cli import common

if TYPE_CHECKING:
    from rich.console import Console

    from aggregation_pipeline.export.dry_run import DatasetPlan, TablePlan
    from aggregation_pipeline.project import Project
    from aggregation_pipeline.source.request import ReadRequest


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

    from aggregation_pipeline.automation.run_requests import SEE_PARTITION_START
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
        (each.warnings if requests else each.problems).append(SEE_PARTITION_START)
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
    """What a run started now would read, and the tables that have no partition yet."""
    from aggregation_pipeline.automation.job_groups import groups_of
    from aggregation_pipeline.automation.run_requests import launches, windows_of
    from aggregation_pipeline.export.dry_run import TablePlan

    now = datetime.now(UTC)
    planned = launches(groups_of(project), wanted, now=now)
    windows = {
        table.entry.name: (table, windows_of(table, launch.spec, now))
        for launch in planned.runs
        for table in launch.tables
    }
    # In the order of aggregation.yaml, whatever jobs the tables belong to.
    ordered = [windows[table.entry.name] for table in project.tables if table.entry.name in windows]
    requests = [
        (window.read_request(table.entry, table.entry.options.zero_dates), table.formats)
        for table, targets in ordered
        for window in targets
    ]
    return requests, [TablePlan(table.entry.name, table.entry.table, "none") for table in planned.waiting]


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
