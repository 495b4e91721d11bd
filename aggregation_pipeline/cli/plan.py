"""`plan`: show what a run would do, without running anything."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from aggregation_pipeline.cli import common

if TYPE_CHECKING:
    from rich.console import Console

    from aggregation_pipeline.assets.configured_table import ConfiguredTable
    from aggregation_pipeline.export.dry_run import TablePlan
    from aggregation_pipeline.local.preflight import Need
    from aggregation_pipeline.project import Project
    from aggregation_pipeline.source.read_plan import DatasetPlan, KeyPlan
    from aggregation_pipeline.source.request import ReadRequest
    from aggregation_pipeline.storage.base import ObjectStore

_STATUS: Final = {"problem": "[red]would fail[/]", "warning": "[yellow]ready, with warnings[/]", "": "[green]ready[/]"}
_SNAPSHOT: Final = {True: "one snapshot for all datasets", False: "no snapshot", None: "not asked"}
# Below the first column of what is shown of a table.
_INDENT: Final = " " * 12


@dataclass(frozen=True)
class NodeFilesPlan:
    """The files of `compat: node` that follow a run which begins now.

    Attributes:
        job: the one whose runs they follow.
        tables: those of the job; a run over only some of them writes none of the files.
        crons: when the job runs by itself, read in `timezone`.
        files: by key, the address. A table without rows has no CSV.
    """

    job: str
    tables: Sequence[str]
    crons: Sequence[str]
    timezone: str
    files: Sequence[dict[str, str]]


@click.command(short_help="Show what a run would do, without running anything.")
@common.tables_option
@common.json_option
@common.explained
def plan(tables: tuple[str, ...] | None, *, as_json: bool) -> None:
    """Show what a run would do now: SQL, columns, estimated rows, index, snapshot and files of each table.

    The command asks everything that a run needs: source, Dagster's PostgreSQL, batch_jobs, the store, local disk,
    schedules and salt. It reads no row and leaves nothing behind. Below the tables stand the files of `compat: node`,
    if they are wanted. Exit code 1 if something is missing or a table would fail: an unknown table or column, a missing
    grant, no snapshot, a scan that source_limits forbid.

    \b
    aggregation-pipeline plan --tables orders
    aggregation-pipeline plan --json | jq '.needs, .tables[].problems'
    """
    from aggregation_pipeline.automation.run_requests import no_partition_yet
    from aggregation_pipeline.config.selection import select_names
    from aggregation_pipeline.export.dry_run import TablePlan, plan_tables
    from aggregation_pipeline.local import console, preflight
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings
    from aggregation_pipeline.settings.connections import open_store
    from aggregation_pipeline.storage.oss.store import OssStore

    settings = load_settings()
    with console.warnings_shown():
        project = load_project(settings)
    wanted = select_names(tables, [table.entry.name for table in project.tables]) if tables else None
    requests, waiting = _requests(project, wanted)
    needs = preflight.check_needs(project)
    store = open_store(settings)
    plans = list(plan_tables(requests, project.sources.options, store, settings.oss_prefix))
    for table in waiting:
        left_out = TablePlan(table.entry.name, table.entry.read_from, "none")
        # A run leaves such a table out. If no other table is left, there is no run.
        (left_out.warnings if requests else left_out.problems).append(no_partition_yet(table))
        plans.append(left_out)
    ok = not any(each.problems for each in plans) and not any(need.problem for need in needs)
    # If the store does not answer, `needs` says so already.
    warning = store.lifecycle_warning(settings.oss_prefix) if ok and isinstance(store, OssStore) else None
    node_files = _node_files(project, wanted, store)
    if as_json:
        answer = {"ok": ok, "needs": needs, "store_warning": warning, "tables": plans, "node_files": node_files}
        common.show_json(answer, _as_object)
    else:
        _show_all(plans, node_files, needs, warning)
    sys.exit(0 if ok else 1)


def _as_object(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


def _requests(
    project: "Project", wanted: Sequence[str] | None
) -> "tuple[list[tuple[ReadRequest, Sequence[str]]], Sequence[ConfiguredTable]]":
    """Return what a run would read now, found as `run` finds it, and the tables that have no complete partition."""
    from aggregation_pipeline.automation.job_groups import groups_of
    from aggregation_pipeline.automation.run_requests import launches, windows_of

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
        for table, table_windows in ordered
        for window in table_windows
    ]
    return requests, planned.waiting


def _node_files(
    project: "Project", wanted: Sequence[str] | None, store: "ObjectStore"
) -> Sequence[NodeFilesPlan] | None:
    """What is written for `compat: node` after a run over the tables `wanted`; None where that is not configured."""
    from aggregation_pipeline.automation.job_groups import groups_of
    from aggregation_pipeline.automation.node_files import ticks_of

    if project.node_files is None:
        return None
    now = datetime.now(UTC)
    tables = [table for table in project.tables if wanted is None or table.entry.name in wanted]
    groups = {group.name: group for group in groups_of(project)}
    return [
        NodeFilesPlan(
            job=tick.job,
            tables=groups[tick.job].names,
            crons=groups[tick.job].crons,
            timezone=groups[tick.job].zone.key,
            files=[{"key": key, "uri": store.uri(key)} for key in tick.planned_keys(now)],
        )
        for tick in ticks_of(project, tables)
    ]


def _show_all(
    plans: "Sequence[TablePlan]",
    node_files: Sequence[NodeFilesPlan] | None,
    needs: "Sequence[Need]",
    warning: str | None,
) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    for plan in plans:
        _show_table(console, plan)
    if node_files is not None:
        _show_node_files(console, node_files)
    for need in needs:
        if need.problem:
            console.print(f"[red]missing[/]  {escape(f'{need.name}: {need.problem}')}")
    if warning:
        console.print(f"[yellow]warning[/]  {escape(warning)}")


def _show_table(console: "Console", plan: "TablePlan") -> None:
    from rich.markup import escape

    status = _STATUS["problem" if plan.problems else "warning" if plan.warnings else ""]
    console.print(f"[bold]{escape(plan.table)}[/]  {status}")
    for problem in plan.problems:
        console.print(f"  [red]problem[/]   {escape(problem)}")
    for warning in plan.warnings:
        console.print(f"  [yellow]warning[/]   {escape(warning)}")
    source = [plan.source, _SNAPSHOT[plan.snapshot], plan.engines, f"server {plan.server}" if plan.server else ""]
    console.print(f"  source    {escape(', '.join(filter(None, source)))}")
    if plan.server_abilities:
        console.print(f"  server    {escape(plan.server_abilities)}")
    published = ", published already: a new version if it differs" if plan.published else ""
    console.print(f"  window    {plan.window}{published}")
    for dataset in plan.datasets:
        _show_dataset(console, dataset)
    if plan.refresh is not None:
        _show_refresh(console, plan.refresh)
    for file in plan.files:
        console.print(f"  file      {escape(common.readable(file.uri))}")
    console.print()


def _show_node_files(console: "Console", plans: Sequence[NodeFilesPlan]) -> None:
    from rich.markup import escape

    if not plans:
        console.print(
            "[bold]compat: node[/]  no files: they follow a run over all tables of a job that has a schedule and no"
            " partitions"
        )
        console.print()
    for plan in plans:
        console.print(f"[bold]compat: node[/]  after each run over all tables of {escape(plan.job)}")
        console.print(f"  tables    {escape(', '.join(plan.tables))}")
        console.print(f"  schedule  {escape(' and '.join(plan.crons))} ({escape(plan.timezone)})")
        for file in plan.files:
            console.print(f"  file      {escape(common.readable(file['uri']))}")
        console.print()


def _show_dataset(console: "Console", dataset: "DatasetPlan") -> None:
    from rich.markup import escape

    if not dataset.columns:
        console.print(f"  {dataset.name:<9} [dim]{escape(_indented(dataset.sql))}[/]")
        return
    index = f"by index {dataset.index}" if dataset.index else "by no index"
    limit = "" if dataset.limit is None else f", at most {dataset.limit:,} kept"
    console.print(
        f"  {dataset.name:<9} {_estimate(dataset.estimate)} {escape(index)}{limit}; ordered by {escape(dataset.order)}"
    )
    console.print(f"{_INDENT}[dim]{escape(_indented(dataset.sql))}[/]")
    columns = [
        f"{name} {kind}" + (f" ({dataset.masks[name]})" if name in dataset.masks else "")
        for name, kind in dataset.columns.items()
    ]
    columns += [f"{name} dropped" for name, rule in dataset.masks.items() if rule == "drop"]
    console.print(f"{_INDENT}{escape(', '.join(columns))}")


def _show_refresh(console: "Console", plan: "KeyPlan") -> None:
    from rich.markup import escape

    index = f"by index {plan.index}" if plan.index else "by no index"
    console.print(f"  refresh   every {plan.every}, {_estimate(plan.estimate)} {escape(index)} for each window")
    console.print(f"{_INDENT}[dim]{escape(_indented(plan.sql))}[/]")


def _estimate(rows: int | None) -> str:
    return "no estimate of rows" if rows is None else f"goes through about {rows:,} rows"


def _indented(sql: str) -> str:
    return sql.replace("\n", f"\n{_INDENT}")
