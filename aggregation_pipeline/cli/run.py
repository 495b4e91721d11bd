"""`run`: run tables once, in this process."""

from datetime import datetime

import click

from aggregation_pipeline.cli import common


@click.command(short_help="Run tables once, in this process.")
@common.tables_option
@common.formats_option
@click.option(
    "--at",
    callback=common.moment,
    metavar="TIME",
    help=(
        "Repeat the schedule's tick of this time, in TIMEZONE: 2026-11-20T02:00. NOW() in SQL is then that time, and"
        " the window of that tick is written."
    ),
)
@common.json_option
@common.explained
def run(tables: tuple[str, ...] | None, formats: tuple[str, ...] | None, at: datetime | None, *, as_json: bool) -> None:
    """Run the tables once, in this process, with the configured servers.

    Dagster's UI shows the run like any other, and batch_jobs gets its row. Tables with different partitions need a run
    each. Exit code 0 only if every table is completed.

    \b
    aggregation-pipeline run
    aggregation-pipeline run --tables users,orders --formats csv,excel
    aggregation-pipeline run --at 2026-11-20T02:00             repeat a night
    aggregation-pipeline run --json | jq '.batches[].batch_job_id'
    """
    with common.open_project(tables) as (project, definitions, instance):
        from aggregation_pipeline.local.console import say
        from aggregation_pipeline.local.run import run_tables

        moment = at.replace(tzinfo=at.tzinfo or project.settings.zone) if at else None
        result = run_tables(project, definitions, instance, tables=tables, formats=formats, moment=moment, report=say)
    common.finish(result, as_json=as_json)
