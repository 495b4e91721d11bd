"""`backfill`: partitions of one table, in this process."""

import json
import sys

import click

from aggregation_pipeline.cli import common


@click.command()
@click.option("--table", required=True, help="An entry of aggregation.yaml with a partition.")
@click.option("--from", "first", required=True, metavar="KEY", help="The first partition: 2026-11-01. A date stands for all its hours.")
@click.option("--to", "last", required=True, metavar="KEY", help="The last partition, itself included.")
@click.option("--formats", callback=common.formats, metavar="F,G", help="Only these formats: json, csv, excel, parquet or all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@common.explained
def backfill(table: str, first: str, last: str, formats: tuple[str, ...] | None, *, as_json: bool) -> None:
    """Fill partitions of a table, as a backfill in Dagster's UI does, but in this process.

    Each run takes as many as the entry's backfill.partitions_per_run says. What is unchanged is not sent again, and a partition that
    fails does not keep the others from being published. Exit code 0 only when every partition is completed.

    \b
    aggregation-pipeline backfill --table orders --from 2026-11-01 --to 2026-11-10
    """
    from aggregation_pipeline import logs, terminal  # noqa: PLC0415
    from aggregation_pipeline.definitions import build_definitions  # noqa: PLC0415
    from aggregation_pipeline.project import load_project  # noqa: PLC0415
    from aggregation_pipeline.running import open_instance, run_backfill  # noqa: PLC0415
    from aggregation_pipeline.settings import load_settings  # noqa: PLC0415

    settings = load_settings()
    logs.configure(settings, terminal=False)
    project = load_project(settings)
    with open_instance(project) as instance, terminal.table_bars():
        result = run_backfill(project, build_definitions(project), instance, table=table, first=first, last=last, formats=formats)
    if as_json:
        click.echo(json.dumps(result.to_dict(), ensure_ascii=False, indent=2))
    else:
        terminal.show_result(result)
        terminal.show_files(result.files)
    sys.exit(0 if result.status == "completed" else 1)
