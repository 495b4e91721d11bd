"""The command `aggregation-pipeline`. Each command, or group of commands, has a module of its own."""

import io
import signal
import sys

import click

from aggregation_pipeline.cli.alerts import alerts
from aggregation_pipeline.cli.audit import audit
from aggregation_pipeline.cli.backfill import backfill
from aggregation_pipeline.cli.batch_jobs import batch_jobs
from aggregation_pipeline.cli.check import check
from aggregation_pipeline.cli.completion import completion
from aggregation_pipeline.cli.demo import demo, dev
from aggregation_pipeline.cli.diff import diff
from aggregation_pipeline.cli.files import download, files
from aggregation_pipeline.cli.import_node import import_node
from aggregation_pipeline.cli.init import init
from aggregation_pipeline.cli.plan import plan
from aggregation_pipeline.cli.retention import retention
from aggregation_pipeline.cli.run import run
from aggregation_pipeline.cli.serve import serve
from aggregation_pipeline.cli.tokens import tokens
from aggregation_pipeline.cli.upgrade import upgrade
from aggregation_pipeline.cli.users import users
from aggregation_pipeline.cli.worker import worker
from aggregation_pipeline.native.kernels import ALL_COMPILED


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(
    package_name="aggregation-pipeline",
    message=f"%(prog)s, version %(version)s, {'with' if ALL_COMPILED else 'without'} C kernels",
)
def main() -> None:
    """Aggregate tables of MySQL and PostgreSQL, publish the results as files, and record every run in batch_jobs.

    \b
    See it work. Nothing has to be configured:
      aggregation-pipeline demo    run everything once, on servers that start by themselves
      aggregation-pipeline dev     the same servers with Dagster's UI on http://127.0.0.1:3000

    \b
    Use your own database (DB_HOST, DB_USER, ... in .env, tables in aggregation.yaml):
      aggregation-pipeline init    draft both files from the database
      aggregation-pipeline import-node ../old-service   take both from the Node.js service
      aggregation-pipeline check   look at everything that the service needs, and say what to do
      aggregation-pipeline plan    show what a run would do, and what is missing for it
      aggregation-pipeline run     run all tables once
      aggregation-pipeline run --tables orders --formats csv
      aggregation-pipeline backfill --table orders --from 2026-11-01 --to 2026-11-10

    \b
    See what came of it:
      aggregation-pipeline files --table orders --window latest
      aggregation-pipeline batch-jobs list --status failed
      aggregation-pipeline alerts test

    \b
    Run the tables by their schedules, with Dagster's UI:
      aggregation-pipeline serve
      aggregation-pipeline worker  compute runs on one more machine (RUNNER=celery)

    \b
    Compare with what the Node.js service wrote, before you switch:
      aggregation-pipeline diff --old oss://old-bucket/data-aggregation

    \b
    Install a newer version:
      aggregation-pipeline upgrade

    \b
    Say who may use it:
      aggregation-pipeline users add alice --role operator
      aggregation-pipeline tokens create nightly --scopes run --owner alice
      aggregation-pipeline audit list
    """
    # A name that the terminal cannot show must not end a command.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    # A shell script's background job ignores SIGINT, and Dagster gives SIGTERM the same handler: without this, `kill`
    # would be ignored as well.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


for command in (
    alerts,
    backfill,
    batch_jobs,
    demo,
    dev,
    serve,
    worker,
    init,
    import_node,
    check,
    plan,
    run,
    files,
    download,
    diff,
    retention,
    upgrade,
    users,
    tokens,
    audit,
    completion,
):
    main.add_command(command)
