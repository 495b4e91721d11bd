"""`plan`: what a run would do, without running anything."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from aggregation_pipeline.cli import common

if TYPE_CHECKING:
    from rich.console import Console

    from aggregation_pipeline.config.model import TableEntry
    from aggregation_pipeline.plan import DatasetPlan, TablePlan
    from aggregation_pipeline.source.reader import ReadRequest


@click.command()
@click.option("--tables", callback=common.names, metavar="A,B", help="Only these entries of aggregation.yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@common.explained
def plan(tables: tuple[str, ...] | None, *, as_json: bool) -> None:
    """Show what a run started now would do to each table: SQL, columns, estimated rows, index, snapshot and files.

    The configured servers are asked; no row is read and nothing is written. Exit code 1 where a table would fail: a table or column that is
    not there, a missing grant, no snapshot, a store that does not answer, a scan that source_limits forbid.

    \b
    aggregation-pipeline plan --tables orders
    aggregation-pipeline plan --json | jq '.tables[].problems'
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415

    from aggregation_pipeline.config.chosen import chosen  # noqa: PLC0415
    from aggregation_pipeline.config.loading import DEFAULT_CONFIG, load_config, select_tables  # noqa: PLC0415
    from aggregation_pipeline.connections import open_store, source_options  # noqa: PLC0415
    from aggregation_pipeline.plan import plan_tables  # noqa: PLC0415
    from aggregation_pipeline.runs.asset_keys import require_unique  # noqa: PLC0415
    from aggregation_pipeline.settings import load_settings  # noqa: PLC0415
    from aggregation_pipeline.storage.oss import OssStore  # noqa: PLC0415

    settings = load_settings()
    config = load_config(settings.aggregation_config or DEFAULT_CONFIG)
    entries = select_tables(config, settings.aggregation_tables, warn=lambda text: click.echo(text, err=True))
    if tables is not None:
        named = {entry.name: entry for entry in entries}
        entries = tuple(named[name] for name in chosen(tables, named))
    require_unique(entries, settings.db_name or "default")
    settings.require_mask_salt(entries)
    moment = datetime.now(UTC)
    requests = [(_request(entry, moment, settings.zone), entry.formats or settings.output_format) for entry in entries]
    store = open_store(settings)
    plans = list(plan_tables(requests, lambda: source_options(settings), store, settings.oss_prefix))
    good = not any(each.problems for each in plans)
    # A store that does not answer has been named as every table's problem by now.
    warning = store.lifecycle_warning(settings.oss_prefix) if good and isinstance(store, OssStore) else None
    if as_json:
        click.echo(
            json.dumps({"ok": good, "store_warning": warning, "tables": [asdict(each) for each in plans]}, ensure_ascii=False, indent=2)
        )
    else:
        console = Console(highlight=False, soft_wrap=True)
        for each in plans:
            _show(console, each)
        if warning:
            console.print(f"[yellow]warning[/]  {escape(warning)}")
    sys.exit(0 if good else 1)


def _request(entry: "TableEntry", moment: datetime, zone: ZoneInfo) -> "ReadRequest":
    """What a run started at `moment` would read: of a partitioned table, the newest partition that is complete."""
    from aggregation_pipeline.assets.partitions import newest_complete, partitions_of, window_of  # noqa: PLC0415
    from aggregation_pipeline.assets.windows import minute_window  # noqa: PLC0415
    from aggregation_pipeline.source.reader import ReadRequest  # noqa: PLC0415

    zone = ZoneInfo(entry.timezone) if entry.timezone else zone
    if entry.partition is not None:
        partitions = partitions_of(entry.partition, zone)
        key = newest_complete(partitions, moment)
        if key is not None:
            window = window_of(entry.partition, partitions, key)
            return ReadRequest(entry, key, window.end, ZoneInfo(partitions.timezone), entry.options.zero_dates, window)
    return ReadRequest(entry, minute_window(moment, zone), moment, zone, entry.options.zero_dates)


def _show(console: "Console", plan: "TablePlan") -> None:
    from rich.markup import escape  # noqa: PLC0415

    verdict = "[red]would fail[/]" if plan.problems else "[yellow]ready, with warnings[/]" if plan.warnings else "[green]ready[/]"
    console.print(f"[bold]{escape(plan.table)}[/]  {verdict}")
    for problem in plan.problems:
        console.print(f"  [red]problem[/]   {escape(problem)}")
    for warning in plan.warnings:
        console.print(f"  [yellow]warning[/]   {escape(warning)}")
    snapshot = {True: "one snapshot for all datasets", False: "no snapshot", None: "not asked"}[plan.snapshot]
    facts = [plan.source, snapshot, plan.engines, f"server {plan.server}" if plan.server else ""]
    console.print(f"  source    {escape(', '.join(filter(None, facts)))}")
    console.print(f"  window    {plan.window}" + (", published already: replaced where it differs" if plan.published else ""))
    for dataset in plan.datasets:
        _show_dataset(console, dataset)
    for file in plan.files:
        console.print(f"  file      {escape(common.readable(file.uri))}")
    console.print()


def _show_dataset(console: "Console", dataset: "DatasetPlan") -> None:
    from rich.markup import escape  # noqa: PLC0415

    if not dataset.columns:
        console.print(f"  {dataset.name:<9} [dim]{escape(_indented(dataset.sql))}[/]")
        return
    rows = "no estimate of rows" if dataset.estimate is None else f"goes through about {dataset.estimate:,} rows"
    index = f"by index {dataset.index}" if dataset.index else "by no index"
    limit = "" if dataset.limit is None else f", at most {dataset.limit:,} kept"
    console.print(f"  {dataset.name:<9} {rows} {escape(index)}{limit}; ordered by {escape(dataset.order)}")
    console.print(f"            [dim]{escape(_indented(dataset.sql))}[/]")
    shown = [f"{name} {kind}" + (f" ({dataset.masks[name]})" if name in dataset.masks else "") for name, kind in dataset.columns.items()]
    shown += [f"{name} dropped" for name, rule in dataset.masks.items() if rule == "drop"]
    if shown:
        console.print(f"            {escape(', '.join(shown))}")


def _indented(sql: str) -> str:
    return sql.replace("\n", "\n            ")
