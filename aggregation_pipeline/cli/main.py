"""The command `aggregation-pipeline`: one module a command, or a family of them."""

import signal

import click

from aggregation_pipeline.cli.alerts import alerts
from aggregation_pipeline.cli.backfill import backfill
from aggregation_pipeline.cli.batch_jobs import batch_jobs
from aggregation_pipeline.cli.demo import demo, dev
from aggregation_pipeline.cli.files import download, files
from aggregation_pipeline.cli.plan import plan
from aggregation_pipeline.cli.retention import retention
from aggregation_pipeline.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="aggregation-pipeline")
def main() -> None:
    """Aggregate MySQL tables, export them as files to OSS, and record every run in batch_jobs.

    \b
    aggregation-pipeline demo     see it work, on embedded servers; nothing has to be configured
    aggregation-pipeline dev      the same servers with Dagster's UI on http://127.0.0.1:3000
    aggregation-pipeline plan     what a run would do, and whether it can: SQL, indexes, snapshot, files
    aggregation-pipeline run      the configured tables, once, from your MySQL (DB_HOST, ... in .env)
    aggregation-pipeline backfill partitions of a table, from one to another
    aggregation-pipeline batch-jobs list      what ran, and what came of it

    `aggregation-pipeline alerts test` says whether the people in ALERT_URLS are reached.

    In production Dagster runs it: `python -m aggregation_pipeline.web` and `dagster-daemon run`, with the
    workspace.yaml of this project.
    """
    # A shell script's background job ignores SIGINT, and Dagster gives SIGTERM the same handler: `kill` would be
    # ignored as well.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


for command in (alerts, backfill, batch_jobs, demo, dev, plan, run, files, download, retention):
    main.add_command(command)
