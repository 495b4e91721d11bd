"""`run`: the job in this process."""

from datetime import datetime

import click

from aggregation_pipeline.cli import common


@click.command()
@click.option("--tables", callback=common.names, metavar="A,B", help="Only these entries of aggregation.yaml.")
@click.option(
    "--formats", callback=common.formats, metavar="F,G", help="Only these formats: json, csv, excel, parquet or all."
)
@click.option(
    "--at",
    callback=common.moment,
    metavar="TIME",
    help=(
        "Repeat the schedule's tick of this time in TIMEZONE (2026-11-20T02:00): NOW() means then, and that tick's"
        " window is written."
    ),
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@common.explained
def run(tables: tuple[str, ...] | None, formats: tuple[str, ...] | None, at: datetime | None, *, as_json: bool) -> None:
    """Run the tables once, in this process, with the configured servers and Dagster storage.

    The run appears in Dagster's UI like any other and has its row in batch_jobs. Exit code 0 only when every table is
    completed.

    \b
    aggregation-pipeline run --tables users,orders --formats csv,excel
    aggregation-pipeline run --json | jq .total_items
    aggregation-pipeline run --at 2026-11-20T02:00        repeat a night
    """
    from aggregation_pipeline.local.console import say
    from aggregation_pipeline.local.run import run_tables

    with common.open_project() as (project, definitions, instance):
        moment = at.replace(tzinfo=project.settings.zone) if at else None
        result = run_tables(project, definitions, instance, tables=tables, formats=formats, moment=moment, tell=say)
    common.finish(result, as_json=as_json)
