"""Accounts, tokens and the audit log in the terminal."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.table import Table
from rich.text import Text

from aggregation_pipeline.cli.common import show_json


def show(rows: Sequence[Mapping[str, object]], zone: ZoneInfo, *, as_json: bool) -> None:
    """Print rows on stdout, as a table with times in `zone`, or as JSON with times in ISO 8601."""
    if as_json:
        show_json(rows, datetime.isoformat)
        return
    if not rows:
        return
    table = Table(*rows[0])
    for row in rows:
        table.add_row(*(Text(_cell(value, zone)) for value in row.values()))
    # Without a terminal rich takes eighty columns, which would break names.
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)


def _cell(value: object, zone: ZoneInfo) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={text}" for key, text in value.items() if text != "")
    return "" if value is None else str(value)
