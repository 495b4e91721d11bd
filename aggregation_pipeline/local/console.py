"""What commands show in the terminal: progress bars while tables are read, and then the results.

All of it goes to stderr. stdout is for data.
"""

import logging
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from aggregation_pipeline.runs.results import RunResult

# Without a terminal rich takes eighty columns, which would break lines that belong together in a log.
console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 120)
_FILES_SHOWN = 40
_COLORS = {"completed": "green", "failed": "red", "skipped": "yellow"}


def say(text: str) -> None:
    """Print a line of progress."""
    console.print(text, style="dim", markup=False)


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _warn(record.getMessage())


def _warn(text: str) -> None:
    console.print("[yellow]warning[/] ", end="")
    console.print(text, markup=False)


@contextmanager
def warnings_shown() -> Iterator[None]:
    """Show the warnings of our modules in the terminal while the block runs.

    They are in the log files too, but people look there only when they already know that something is wrong.
    """
    logger, handler = logging.getLogger("aggregation_pipeline"), _Warnings(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def bars() -> Iterator[Progress]:
    """Show progress bars. Without a terminal there are none, and only what is printed in between is shown."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as display:
        yield display


class TerminalObserver:
    """Shows the tables that this process runs: a bar for each dataset that is read, and their warnings."""

    def __init__(self, display: Progress) -> None:
        self._display = display
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._parts: dict[str, str] = {}
        self._lock = threading.Lock()

    def progress(self, table: str, unit: str, done: int, total: int | None) -> None:
        """See `export.observer.RunObserver`."""
        with self._lock:
            task = self._tasks.get((table, unit))
            if task is None:
                task = self._tasks[table, unit] = self._display.add_task(f"{table} {unit}", total=total)
        part = self._parts.get(table)
        self._display.update(
            task, completed=done, total=total, description=f"{table} {unit}{f': {part}' if part else ''}"
        )

    def at(self, table: str, part: str) -> None:
        """See `export.observer.RunObserver`."""
        self._parts[table] = part

    def warn(self, text: str) -> None:
        """See `export.observer.RunObserver`."""
        _warn(text)


@contextmanager
def table_bars() -> Iterator[TerminalObserver]:
    """Show progress bars while the block runs; definitions that are built with the observer report to them."""
    with bars() as display:
        yield TerminalObserver(display)


def show_result(result: RunResult) -> None:
    """Print the status of each run and of each table, and the errors."""
    for batch in result.batches:
        tables = f" ({escape(', '.join(batch.tables))})" if len(result.batches) > 1 else ""
        console.print(
            f"Run {batch.batch_job_id}: [{_COLORS[batch.status]}]{batch.status}[/] in {batch.seconds:.1f} s{tables}"
        )
    table = Table()
    for heading in ("table", "status", "rows", "files", "bytes"):
        table.add_column(heading, justify="left" if heading in {"table", "status"} else "right")
    for name, one in result.tables.items():
        files = [file for file in result.files if file["table"] == name]
        size = sum(file["bytes"] for file in files)
        table.add_row(
            escape(name), f"[{_COLORS[one.status]}]{one.status}[/]", f"{one.items:,}", str(len(files)), f"{size:,}"
        )
    console.print(table)
    # If the server refuses the login, all tables fail with the same error: print it once.
    for error in dict.fromkeys(one.error for one in result.tables.values() if one.error):
        names = [name for name, one in result.tables.items() if one.error == error]
        console.print(f"[red]{escape(', '.join(names))}[/]: ", end="")
        console.print(error, markup=False)


def show_files(files: Sequence[Mapping[str, Any]]) -> None:
    """Print the first of the files, one on each line; paths are short enough to click on."""
    for file in files[:_FILES_SHOWN]:
        console.print(
            f"  {escape(_short(file['uri']))}  [dim]{file['rows']:,} rows, {file['bytes']:,} bytes[/]", soft_wrap=True
        )
    if len(files) > _FILES_SHOWN:
        console.print(
            f"  and {len(files) - _FILES_SHOWN:,} more: aggregation-pipeline files lists what is published",
            markup=False,
        )


def show_row(row: Mapping[str, Any]) -> None:
    """Print a row of batch_jobs, one column on each line."""
    console.print("Its row in batch_jobs:")
    table = Table(show_header=False)
    table.add_column(style="dim")
    table.add_column()
    for column, value in row.items():
        table.add_row(column, escape(str(value)))
    console.print(table)


def _short(uri: str) -> str:
    parts = urlsplit(uri)
    if parts.scheme != "file":
        return uri
    path = Path(unquote(parts.path))
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
