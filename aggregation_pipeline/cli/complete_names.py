"""What the shell offers for names of tables, windows and formats while somebody types a command.

Somebody waits for it at each press of TAB: no Dagster, a bound for slow stores, and no word where something is wrong.
"""

import io
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import click

# A shell would read other characters as its own, or as the end of the name.
_TYPED: Final = re.compile(r"[^\s'\"\\$`&|;<>()*?!#~\[\]{}]+")
_LARGEST_FILE: Final = 4 * 1024 * 1024
_STORE_SECONDS: Final = 2.0
_MOST: Final = 500
_VARIABLES: Final = ("aggregation_config", "aggregation_tables", "storage_dir", "oss_prefix", "oss_bucket")

Complete = Callable[[click.Context, click.Parameter, str], list[str]]


def _silently(names: Callable[[click.Context], Sequence[str]]) -> Complete:
    """Offer those names that begin as what is typed; nothing, also on stderr, if they cannot be found out."""

    def complete(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
        with redirect_stderr(io.StringIO()), suppress(Exception):
            found = [name for name in names(context) if name.startswith(incomplete) and _TYPED.fullmatch(name)]
            return found[:_MOST]
        return []

    return complete


def _as_list(names: Callable[[click.Context], Sequence[str]]) -> Complete:
    """Do the same for the last of names that are separated by commas, without those before it."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        taken = before.split(",")
        offered = _silently(names)(context, parameter, last)
        return [f"{before}{comma}{name}" for name in offered if name not in taken]

    return complete


def _tables(_context: click.Context) -> list[str]:
    variables = _variables()
    names = [name.strip() for name in variables.get("aggregation_tables", "").split(",")]
    with suppress(Exception):
        names += _configured(variables)
    with suppress(OSError):
        if "oss_bucket" not in variables:
            published = Path(variables.get("storage_dir", "exports")) / variables.get("oss_prefix", "")
            names += [unquote(entry.name) for entry in os.scandir(published) if entry.is_dir()]
    return sorted({name for name in names if name and not name.startswith((".", "_"))})


def _configured(variables: dict[str, str]) -> list[str]:
    """The names of the entries of aggregation.yaml. Only what is needed of it is read, so that mistakes do no harm."""
    import yaml

    named = variables.get("aggregation_config")
    path = Path(named) if named else Path(__file__).parents[1] / "config" / "aggregation.yaml"
    if path.stat().st_size > _LARGEST_FILE:
        return []
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=loader)
    top = document.value if isinstance(document, yaml.MappingNode) else []
    return [
        str(entry.value)
        for key, tables in top
        if key.value in ("tables", "tableConfigs", "table_configs")
        for entry, _ in tables.value
    ]


def _windows(context: click.Context) -> list[str]:
    """The windows of the table that was named before, the newest first."""
    named = context.params.get("table") or context.params.get("tables")
    table = named[-1] if isinstance(named, tuple) and named else named
    if not isinstance(table, str):
        return []
    variables = _variables()
    if "oss_bucket" not in variables:
        from aggregation_pipeline.storage.keys import MANIFEST, table_folder

        folder = Path(variables.get("storage_dir", "exports")) / table_folder(variables.get("oss_prefix", ""), table)
        found = {unquote(each.name) for each in os.scandir(folder) if (folder / each.name / MANIFEST).is_file()}
    else:
        found = set(_within(_STORE_SECONDS, lambda: _in_bucket(table)))
    return sorted(found, reverse=True)


def _windows_or_latest(context: click.Context) -> list[str]:
    with suppress(Exception):
        return ["latest", *_windows(context)]
    return ["latest"]


def _in_bucket(table: str) -> Iterator[str]:
    from aggregation_pipeline.settings.base import load_settings
    from aggregation_pipeline.settings.connections import open_store
    from aggregation_pipeline.storage.keys import MANIFEST, table_folder
    from aggregation_pipeline.storage.parsed_keys import parse_key

    settings = load_settings()
    for stored in open_store(settings).list(table_folder(settings.oss_prefix, table)):
        parsed = parse_key(settings.oss_prefix, stored.key)
        if parsed is not None and not parsed.publication and parsed.name == MANIFEST:
            yield parsed.window


def _within(seconds: float, names: Callable[[], Iterator[str]]) -> list[str]:
    """What came within this time. A thread that waits for a store does not keep the process from ending."""
    found: list[str] = []

    def collect() -> None:
        with suppress(Exception):
            found.extend(names())

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    thread.join(seconds)
    return list(found)


def _formats(_context: click.Context) -> list[str]:
    from aggregation_pipeline.config.format_names import FORMAT_NAMES

    return [*FORMAT_NAMES, "all"]


def _variables() -> dict[str, str]:
    from aggregation_pipeline.settings.environment import read_environment

    return read_environment(_VARIABLES)


complete_table: Final = _silently(_tables)
complete_tables: Final = _as_list(_tables)
complete_window: Final = _silently(_windows)
complete_window_or_latest: Final = _silently(_windows_or_latest)
complete_formats: Final = _as_list(_formats)
