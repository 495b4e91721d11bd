"""`retention`: delete published files that have expired, or show them."""

import sys

import click

from aggregation_pipeline.cli import common


@click.command(short_help="Delete expired files, or show them.")
@click.option("--dry-run", is_flag=True, help="Only show what would be deleted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with every deleted key on stdout.")
@common.explained
def retention(*, dry_run: bool, as_json: bool) -> None:
    """Delete windows beyond `keep` and `keep_last` of their tables, and extracts older than EXTRACT_KEEP_DAYS.

    What runs have printed goes after COMPUTE_LOG_KEEP_DAYS, where COMPUTE_LOGS=store keeps it in the store.

    Of windows that stay, versions are deleted that were replaced more than a day ago (`keep_versions`), and files that
    a dead run has left. A table without `keep` and `keep_last` keeps all its windows, and the newest window always
    stays. Only files that this pipeline has named are deleted. The Dagster job `retention` does the same every day.
    Exit code 1 if a table had to be left alone.

    \b
    aggregation-pipeline retention --dry-run
    aggregation-pipeline retention
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from aggregation_pipeline.automation.retention import delete_expired_files, delete_expired_logs, is_alive
    from aggregation_pipeline.local.instance import open_instance
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings

    def report(text: str) -> None:
        click.echo(text, err=as_json)

    project = load_project(load_settings())

    def alive(run_id: str) -> bool:
        # Dagster's storage is opened only if a run has left something.
        with open_instance(project) as instance:
            return is_alive(instance, run_id)

    swept = delete_expired_files(
        project, holder="retention", alive=alive, report=report, dry_run=dry_run, now=datetime.now(UTC)
    )
    logs = delete_expired_logs(project, report=report, dry_run=dry_run, now=datetime.now(UTC))
    if as_json:
        common.show_json({"dry_run": dry_run, **asdict(swept), "logs": logs})
    sys.exit(1 if swept.problems else 0)
