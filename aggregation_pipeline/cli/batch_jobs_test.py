"""`batch-jobs test`: whether batches are recorded, from the logic alone to a full collection."""

import sys

import click

from aggregation_pipeline.cli import common
from aggregation_pipeline.cli.findings_view import ErrorsNoted, finish_findings, show_finding


@click.command(short_help="Test how batches are recorded.")
@click.option("--logic", is_flag=True, help="The rows of an invented run. No database is needed.")
@click.option("--connection", is_flag=True, help="A row in PostgreSQL or Supabase: made, changed, read, deleted.")
@click.option("--full", is_flag=True, help="A collection of everything that is configured, with files and rows.")
@common.tables_option
@common.json_option
@common.explained
def test(*, logic: bool, connection: bool, full: bool, tables: tuple[str, ...] | None, as_json: bool) -> None:
    """Test how batches are recorded, against what is configured. Without an option: the logic and the connection.

    Nothing stays behind. Rows have the job type batch_jobs_test until they are deleted. A full test reads all tables
    from their sources, or those of --tables, and publishes nothing: its files go into TEMP_DIR, or below _tests/ in the
    bucket, and its runs into tables of Dagster of their own. If it is killed, the next test removes what it left.

    One line each: ok, warning, or failure with what to do about it. Exit code 1 if there is a failure.

    \b
    aggregation-pipeline batch-jobs test --logic          no database is needed
    aggregation-pipeline batch-jobs test --connection     PostgreSQL or Supabase, as .env says
    aggregation-pipeline batch-jobs test --full           sources, files and batch_jobs, from one end to the other
    aggregation-pipeline batch-jobs test --full --tables orders --json
    """
    if tables and not full:
        raise click.UsageError("--tables says which tables --full collects: add --full")
    from aggregation_pipeline.doctor.trials.trials import run_trials
    from aggregation_pipeline.instance import log_handlers
    from aggregation_pipeline.local import console
    from aggregation_pipeline.local.broken_off import sigterm_like_ctrl_c
    from aggregation_pipeline.settings.base import load_log_settings
    from aggregation_pipeline.source.findings import Finding

    if not (logic or connection or full):
        logic = connection = True
    wanted = [name for name, chosen in (("logic", logic), ("connection", connection), ("full", full)) if chosen]
    if full:
        log_handlers.configure(load_log_settings(), terminal=False)
    findings: list[Finding] = []
    shown = 0
    with console.warnings_shown(), sigterm_like_ctrl_c(), ErrorsNoted(findings, wanted[-1]):
        for finding in run_trials(wanted, tables):
            findings.append(finding)
            if not as_json:
                show_finding(finding)
                shown += 1
    for finding in () if as_json else findings[shown:]:
        show_finding(finding)
    sys.exit(finish_findings(findings, as_json=as_json))
