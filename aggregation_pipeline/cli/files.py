"""`files` and `download`: what is published, by way of the manifests. Neither needs the database, PostgreSQL or
aggregation.yaml.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aggregation_pipeline.cli import common
from aggregation_pipeline.errors import PipelineError, StorageBusyError, StorageError

if TYPE_CHECKING:
    from aggregation_pipeline.settings.base import Settings
    from aggregation_pipeline.storage.base import ObjectStore
    from aggregation_pipeline.storage.manifest import Manifest

_TRIES = 3
_SHOWN = 5
_DIGIT = re.compile("[0-9]")


@click.command()
@click.option("--table", metavar="T", help="Only this table.")
@click.option("--window", metavar="W", help="Only this window, such as 2026-11-20; `latest` is the newest.")
@click.option(
    "--links",
    is_flag=True,
    help="With a download link for each file; whoever has it can download while it lives (OSS_LINK_SECONDS).",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")
@common.explained
def files(table: str | None, window: str | None, *, links: bool, as_json: bool) -> None:
    """List what is published.

    Exit code 1 where --table or --window is misspelt: nothing has that name, and something has a name that is near.

    \b
    aggregation-pipeline files --table orders --window latest --links
    aggregation-pipeline files --json | jq '.files[] | select(.format == "csv") | .uri'
    """
    from aggregation_pipeline.settings.base import load_settings
    from aggregation_pipeline.settings.connections import open_store

    settings = load_settings()
    store = open_store(settings)
    found, problems = list[dict[str, Any]](), list[str]()
    for manifest, names in _manifests(settings, store, table, window, problems):
        seconds = settings.oss_link_seconds if links else None
        rows = [_row(store, settings.oss_prefix, manifest, file, names, seconds) for file in manifest.files]
        found += rows
        if not as_json:
            _show(manifest, rows)
    if as_json:
        click.echo(json.dumps({"files": found}, ensure_ascii=False, indent=2))
    if not found and not problems:
        problems += _not_there(settings, store, table, window)
    if not found and not problems and not as_json:
        click.echo("Nothing is published" + (" there" if table or window else "") + " yet.", err=True)
    if links and found and not any(row["link"] for row in found):
        click.echo("Files in a folder have no download links; they lie where their URIs say.", err=True)
    for problem in problems:
        click.echo(problem, err=True)
    sys.exit(1 if problems else 0)


@click.command()
@click.option("--table", metavar="T", required=True, help="The table.")
@click.option("--window", metavar="W", default="latest", show_default=True, help="The window, such as 2026-11-20.")
@click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the files.  [default: TABLE/WINDOW]",
)
@common.explained
def download(table: str, window: str, directory: Path | None) -> None:
    """Fetch the files of a window, each compared with the size and checksum that its manifest names.

    The manifest comes last: where manifest.json lies, everything is whole. A window that is published anew meanwhile
    comes as it was when this began.

    \b
    aggregation-pipeline download --table orders --window 2026-11-20 --to /data/orders
    """
    from aggregation_pipeline.settings.base import load_settings
    from aggregation_pipeline.settings.connections import open_store
    from aggregation_pipeline.storage.keys import MANIFEST, window_folder
    from aggregation_pipeline.storage.partial_download import partial_download
    from aggregation_pipeline.storage.published import fetch_window

    settings = load_settings()
    store = open_store(settings)
    for left in reversed(range(_TRIES)):
        manifest = _one_manifest(settings, store, table, window)
        target = directory or Path(window_folder("", manifest.table, manifest.window))
        (target / MANIFEST).unlink(missing_ok=True)
        try:
            paths = fetch_window(store, manifest, target)
        except StorageBusyError:
            if not left:
                raise
            continue
        with partial_download(target / MANIFEST) as last:
            last.write(manifest.to_json())
        break
    for path, file in zip(paths, manifest.files, strict=True):
        click.echo(f"{path}  {file.rows:,} rows, {file.bytes:,} bytes, CRC64 {file.crc64}")


def _manifests(
    settings: "Settings", store: "ObjectStore", table: str | None, window: str | None, problems: list[str]
) -> "Iterator[tuple[Manifest, Mapping[str, int]]]":
    """The manifests in force, each with the stable names of its window; one that is not to be read becomes a
    problem.
    """
    from aggregation_pipeline.storage.published import load_manifest, published_names

    published = published_names(store, settings.oss_prefix, table)
    chosen = list(published)
    if window == "latest":
        newest = {name: max(day for other, day in chosen if other == name) for name, _ in chosen}
        chosen = list(newest.items())
    elif window is not None:
        chosen = [(name, day) for name, day in chosen if day == window]
    for name, day in chosen:
        try:
            manifest = load_manifest(store, settings.oss_prefix, name, day)
        except PipelineError as error:
            problems.append(str(error))
            continue
        if manifest is not None:  # deleted meanwhile
            yield manifest, published[name, day]


def _one_manifest(settings: "Settings", store: "ObjectStore", table: str, window: str) -> "Manifest":
    from aggregation_pipeline.storage.published import latest_window, load_manifest, published_windows

    wanted = latest_window(store, settings.oss_prefix, table) if window == "latest" else window
    manifest = None if wanted is None else load_manifest(store, settings.oss_prefix, table, wanted)
    if manifest is not None:
        return manifest
    days = sorted({day for _, day in published_windows(store, settings.oss_prefix, table)})
    if days:
        shown = ", ".join(days[-_SHOWN:])
        raise StorageError(f"Table {table!r} has no window {wanted!r}; the newest there are: {shown}.")
    if problems := _not_there(settings, store, table, window):
        raise StorageError(problems[0])
    raise StorageError(f"Nothing is published of table {table!r}. `aggregation-pipeline files` lists what is.")


def _not_there(settings: "Settings", store: "ObjectStore", table: str | None, window: str | None) -> list[str]:
    """A table or window whose name is misspelt: it is near another, or of another form. Any other may be published
    yet.
    """
    from aggregation_pipeline.config.messages.suggestions import did_you_mean
    from aggregation_pipeline.config.selection import list_known, list_problem
    from aggregation_pipeline.storage.published import published_windows

    windows = list(published_windows(store, settings.oss_prefix, None))
    tables = sorted({name for name, _ in windows})
    days = sorted({day for name, day in windows if table in (None, name)})
    if table is not None and table not in tables and (list_problem(table) or did_you_mean(table, tables)):
        return [f"Nothing is published of table {table!r}{list_known(table, tables)}"]
    shapes = {_DIGIT.sub("0", day) for day in days}
    if window not in (None, "latest") and shapes and _DIGIT.sub("0", str(window)) not in shapes:
        return [f"There is no window {window!r}; the newest there are: {', '.join(days[-_SHOWN:])}."]
    return []


def _row(
    store: "ObjectStore",
    prefix: str,
    manifest: "Manifest",
    file: Any,  # noqa: ANN401
    names: "Mapping[str, int]",
    link_seconds: int | None,
) -> dict[str, Any]:
    """One file: `key` is the object that the manifest names, `uri` the stable name that people know, where it is
    there.
    """
    from aggregation_pipeline.storage.keys import window_key

    name = window_key(prefix, manifest.table, manifest.window, file.name)
    row = {
        "table": manifest.table,
        "window": manifest.window,
        "name": file.name,
        "format": file.format,
        "dataset": file.dataset,
        "rows": file.rows,
        "bytes": file.bytes,
        "crc64": file.crc64,
        "uri": store.uri(name if names.get(name) == file.bytes else file.key),
        "key": file.key,
        "run_id": manifest.run_id,
    }
    return row if link_seconds is None else row | {"link": store.link(file.key, link_seconds)}


def _show(manifest: "Manifest", rows: list[dict[str, Any]]) -> None:
    click.echo(f"{manifest.table} {manifest.window}  {manifest.rows:,} rows, run {manifest.run_id}")
    for row in rows:
        click.echo(f"  {common.readable(row['uri'])}  {row['rows']:,} rows, {row['bytes']:,} bytes")
        if row.get("link"):
            click.echo(f"    {row['link']}")
