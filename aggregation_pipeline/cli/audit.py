"""`audit`: who did what."""

from datetime import datetime

import click

from aggregation_pipeline.cli.common import explained, moment


@click.group(short_help="See who did what.")
def audit() -> None:
    """See who did what: sign-ins, runs launched by hand, changes of accounts and tokens.

    \b
    aggregation-pipeline audit list --since 2026-11-20
    """


@audit.command("list", short_help="List what was done, the newest first.")
@click.option("--since", callback=moment, metavar="TIME", help="From this day, or time of a day, on (in TIMEZONE).")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")
@explained
def list_entries(since: datetime | None, limit: int, *, as_json: bool) -> None:
    """List who did what, from where, with which result. Entries stay for a year.

    \b
    aggregation-pipeline audit list --since 2026-11-20T08:00
    aggregation-pipeline audit list --json | jq '.[] | select(.result == "refused")'
    """
    from dataclasses import asdict

    from aggregation_pipeline.access.audit import Audit
    from aggregation_pipeline.cli import access_view
    from aggregation_pipeline.cli.access import open_store
    from aggregation_pipeline.settings.base import load_settings

    settings = load_settings()
    with open_store(settings) as store:
        first = since.replace(tzinfo=settings.zone) if since else None
        rows = [asdict(entry) for entry in Audit(store).entries(since=first, limit=limit)]
    access_view.show(rows, settings.zone, as_json=as_json)
