"""`backfill`: fill partitions of one table, in this process."""

import click

from aggregation_pipeline.cli import common
from aggregation_pipeline.cli.complete_names import complete_table, complete_window


@click.command(short_help="Fill partitions of a table.")
@click.option(
    "--table", required=True, shell_complete=complete_table, help="A table of the configuration that has a partition."
)
@click.option(
    "--from",
    "first",
    required=True,
    metavar="KEY",
    shell_complete=complete_window,
    help="The first partition, such as 2026-11-01. For hourly partitions a date means all its hours.",
)
@click.option(
    "--to", "last", required=True, metavar="KEY", shell_complete=complete_window, help="The last partition, included."
)
@common.formats_option
@common.json_option
@common.explained
def backfill(table: str, first: str, last: str, formats: tuple[str, ...] | None, *, as_json: bool) -> None:
    """Fill partitions of a table, as a backfill in Dagster's UI does, but in this process.

    A run takes as many partitions as backfill.partitions_per_run of the table says. Data that has not changed is not
    uploaded again. If one partition fails, the others are still published. Exit code 0 only if all are completed.

    \b
    aggregation-pipeline backfill --table orders --from 2026-11-01 --to 2026-11-10
    aggregation-pipeline backfill --table orders --from 2026-11-01 --to 2026-11-10 --formats csv
    """
    with common.open_project([table]) as (project, definitions, instance):
        from aggregation_pipeline.local.run import run_backfill

        result = run_backfill(project, definitions, instance, table=table, first=first, last=last, formats=formats)
    common.finish(result, as_json=as_json)
