"""`retention`: what has expired goes, or is shown."""

import json
import sys

import click

from aggregation_pipeline.cli import common


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every key on stdout.")
@common.explained
def retention(*, dry_run: bool, as_json: bool) -> None:
    """Delete windows beyond `keep` and `keep_last` of their tables in aggregation.yaml, and extracts after
    EXTRACT_KEEP_DAYS.

    So go, of the windows that stay, versions that were superseded more than a day ago (`keep_versions`), and what dead
    runs have left. The Dagster job `retention` does the same every day. Tables that say neither keep all their windows;
    the newest always stays. Only names of our own making are deleted. Exit code 1 when a table had to be left alone.
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from aggregation_pipeline.automation.retention import delete_expired_files, is_alive
    from aggregation_pipeline.local.run import open_instance
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    def report(text: str) -> None:
        click.echo(text, err=as_json)

    project = load_project(load_settings())

    def alive(run_id: str) -> bool:
        # Dagster's storage is opened only where a run has left something.
        with open_instance(project) as instance:
            return is_alive(instance, run_id)

    swept = delete_expired_files(
        project, holder="retention", alive=alive, report=report, dry_run=dry_run, now=datetime.now(UTC)
    )
    if as_json:
        click.echo(json.dumps({"dry_run": dry_run, **asdict(swept)}, ensure_ascii=False, indent=2))
    sys.exit(1 if swept.problems else 0)
