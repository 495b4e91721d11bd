"""`check`: look at everything that the service needs, and say what to do."""

import sys

import click

from aggregation_pipeline.cli import common
from aggregation_pipeline.cli.findings_view import ErrorsNoted, finish_findings, show_finding


@click.command(short_help="Look at everything that the service needs, and say what to do.")
@click.option("--fix", is_flag=True, help="Put right what is safe: create a missing table, start stopped sensors.")
@click.option("--send", is_flag=True, help="Send a test message to each channel of ALERT_URLS.")
@common.json_option
@common.explained
def check(*, fix: bool, send: bool, as_json: bool) -> None:
    """Look at settings, sources, PostgreSQL, batch_jobs, the store, Dagster, this machine and the channels for alerts.

    One line each: ok, warning, or failure with what to do about it. Exit code 1 if there is a failure. No row is read,
    and nothing stays behind: the probe in the store is deleted again. What a run of each table would do, `plan` says.

    \b
    aggregation-pipeline check
    aggregation-pipeline check --fix --send
    aggregation-pipeline check --json | jq '.findings[] | select(.status != "ok")'
    """
    from aggregation_pipeline.doctor.examination import examine
    from aggregation_pipeline.doctor.findings import Case
    from aggregation_pipeline.doctor.subjects import subjects_of
    from aggregation_pipeline.errors import ConfigError, PipelineError
    from aggregation_pipeline.local import console
    from aggregation_pipeline.project import load_project
    from aggregation_pipeline.settings.base import load_settings
    from aggregation_pipeline.source.findings import Finding

    findings: list[Finding] = []
    with console.warnings_shown(), ErrorsNoted(findings, "settings"):
        try:
            settings = load_settings()
        except PipelineError as error:
            findings = [Finding("environment", "failure", str(error), subject="settings")]
        else:
            project = None
            try:
                project = load_project(settings)
            except PipelineError as error:
                name = "aggregation.yaml" if isinstance(error, ConfigError) else "variables"
                findings = [Finding(name, "failure", str(error), subject="settings")]
            case = Case(settings, project, fix=fix, send=send)
            findings += examine(case, subjects_of(case))
    if not as_json:
        for each in findings:
            show_finding(each)
    sys.exit(finish_findings(findings, as_json=as_json))
