"""`backfill`: partitions of one table, in this process."""

import click

from aggregation_pipeline.cli import common


@click.command()
@click.option("--table", required=True, help="An entry of aggregation.yaml with a partition.")
@click.option(
    "--from",
    "first",
    required=True,
    metavar="KEY",
    help="The first partition: 2026-11-01. A date stands for all its hours.",
)
@click.option("--to", "last", required=True, metavar="KEY", help="The last partition, itself included.")
@click.option(
    "--formats", callback=common.formats, metavar="F,G", help="Only these formats: json, csv, excel, parquet or all."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@common.explained
def backfill(table: str, first: str, last: str, formats: tuple[str, ...] | None, *, as_json: bool) -> None:
    """Fill partitions of a table, as a backfill in Dagster's UI does, but in this process.

    Each run takes as many as the entry's backfill.partitions_per_run says. What is unchanged is not sent again, and a
    partition that fails does not keep the others from being published. Exit code 0 only when every partition is
    completed.

    \b
    aggregation-pipeline backfill --table orders --from 2026-11-01 --to 2026-11-10
    """
    from aggregation_pipeline.local.run import run_backfill

    with common.open_project() as (project, definitions, instance):
        result = run_backfill(project, definitions, instance, table=table, first=first, last=last, formats=formats)
    common.finish(result, as_json=as_json)
