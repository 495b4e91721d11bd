"""`files` and `download`: what is published, as the manifests say.

Neither needs the source database, PostgreSQL or the configuration file.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from aggregation_pipeline.cli import common
from aggregation_pipeline.cli.complete_names import complete_table, complete_window_or_latest
from aggregation_pipeline.errors import PipelineError, StorageBusyError, StorageError

if TYPE_CHECKING:
    from aggregation_pipeline.settings.base import Settings
    from aggregation_pipeline.storage.base import ObjectStore
    from aggregation_pipeline.storage.manifest import Manifest, ManifestFile

# A window that is published anew while it is downloaded is downloaded again.
_DOWNLOAD_ATTEMPTS: Final = 3
_WINDOWS_SHOWN: Final = 5
_DIGIT: Final = re.compile("[0-9]")


@click.command()
@click.option("--table", metavar="T", shell_complete=complete_table, help="Only this table.")
@click.option(
    "--window",
    metavar="W",
    shell_complete=complete_window_or_latest,
    help="Only this window, such as 2026-11-20, or `latest`.",
)
@click.option(
    "--links",
    is_flag=True,
    help="Add a download link for each file. Anybody who has the link can use it, for OSS_LINK_SECONDS.",
)
@common.json_option
@common.explained
def files(table: str | None, window: str | None, *, links: bool, as_json: bool) -> None:
    """List the published files.

    Exit code 1 if --table or --window looks misspelt: nothing has that name, but something has a similar one.

    \b
    aggregation-pipeline files
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
        common.show_json({"files": found})
    if not found and not problems:
        problems += _misspelt(settings, store, table, window)
    if not found and not problems and not as_json:
        click.echo("Nothing is published" + (" there" if table or window else "") + " yet.", err=True)
    if links and found and not any(row["link"] for row in found):
        click.echo("Files in a folder have no download links. Their URIs say where they are.", err=True)
    for problem in problems:
        click.echo(problem, err=True)
    sys.exit(1 if problems else 0)


@click.command(short_help="Download the files of a window.")
@click.option("--table", metavar="T", shell_complete=complete_table, required=True, help="The table.")
@click.option(
    "--window",
    metavar="W",
    shell_complete=complete_window_or_latest,
    default="latest",
    show_default=True,
    help="The window, such as 2026-11-20, or `latest`.",
)
@click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the files.  [default: TABLE/WINDOW]",
)
@common.explained
def download(table: str, window: str, directory: Path | None) -> None:
    """Download the files of a window, and compare each with the size and checksum in the manifest.

    manifest.json is written last: if it is there, all files are complete. If the window is published anew meanwhile,
    you get the version from when the download began.

    \b
    aggregation-pipeline download --table orders
    aggregation-pipeline download --table orders --window 2026-11-20 --to /data/orders
    """
    from aggregation_pipeline.settings.base import load_settings
    from aggregation_pipeline.settings.connections import open_store
    from aggregation_pipeline.storage.keys import MANIFEST, window_folder
    from aggregation_pipeline.storage.partial_download import partial_download
    from aggregation_pipeline.storage.published import fetch_window

    settings = load_settings()
    store = open_store(settings)
    for attempts_left in reversed(range(_DOWNLOAD_ATTEMPTS)):
        manifest = _one_manifest(settings, store, table, window)
        target = directory or Path(window_folder("", manifest.table, manifest.window))
        (target / MANIFEST).unlink(missing_ok=True)
        try:
            paths = fetch_window(store, manifest, target)
        except StorageBusyError:
            if not attempts_left:
                raise
            continue
        with partial_download(target / MANIFEST) as file:
            file.write(manifest.to_json())
        break
    for path, each in zip(paths, manifest.files, strict=True):
        click.echo(f"{path}  {each.rows:,} rows, {each.bytes:,} bytes, CRC64 {each.crc64}")


def _manifests(
    settings: "Settings", store: "ObjectStore", table: str | None, window: str | None, problems: list[str]
) -> "Iterator[tuple[Manifest, Mapping[str, int]]]":
    """Yield each window's manifest with the window's stable names; add to `problems` if one cannot be read."""
    from aggregation_pipeline.storage.published import load_manifest, published_names

    names_of = published_names(store, settings.oss_prefix, table)
    chosen = list(names_of)
    if window == "latest":
        newest = {name: max(each for other, each in chosen if other == name) for name, _ in chosen}
        chosen = list(newest.items())
    elif window is not None:
        chosen = [(name, each) for name, each in chosen if each == window]
    for name, each in chosen:
        try:
            manifest = load_manifest(store, settings.oss_prefix, name, each)
        except PipelineError as error:
            problems.append(str(error))
            continue
        if manifest is not None:  # otherwise retention has deleted it meanwhile
            yield manifest, names_of[name, each]


def _one_manifest(settings: "Settings", store: "ObjectStore", table: str, window: str) -> "Manifest":
    from aggregation_pipeline.storage.published import latest_window, load_manifest, published_windows

    wanted = latest_window(store, settings.oss_prefix, table) if window == "latest" else window
    manifest = None if wanted is None else load_manifest(store, settings.oss_prefix, table, wanted)
    if manifest is not None:
        return manifest
    windows = sorted({each for _, each in published_windows(store, settings.oss_prefix, table)})
    if windows:
        raise StorageError(f"Table {table!r} has no window {wanted!r}; {_newest(windows)}")
    if problems := _misspelt(settings, store, table, window):
        raise StorageError(problems[0])
    raise StorageError(f"Nothing is published of table {table!r}. `aggregation-pipeline files` lists what is.")


def _misspelt(settings: "Settings", store: "ObjectStore", table: str | None, window: str | None) -> list[str]:
    """Return what is wrong with a name: it is similar to a published one, or has another form than all windows.

    Any other name is fine: something may still be published under it.
    """
    from aggregation_pipeline.config.messages.suggestions import did_you_mean
    from aggregation_pipeline.config.selection import list_known, list_problem
    from aggregation_pipeline.storage.published import published_windows

    published = list(published_windows(store, settings.oss_prefix, None))
    tables = sorted({name for name, _ in published})
    windows = sorted({each for name, each in published if table in (None, name)})
    if table is not None and table not in tables and (list_problem(table) or did_you_mean(table, tables)):
        return [f"Nothing is published of table {table!r}{list_known(table, tables)}"]
    forms = {_DIGIT.sub("0", each) for each in windows}
    if window not in (None, "latest") and forms and _DIGIT.sub("0", str(window)) not in forms:
        return [f"There is no window {window!r}; {_newest(windows)}"]
    return []


def _newest(windows: list[str]) -> str:
    return f"the newest there are: {', '.join(windows[-_WINDOWS_SHOWN:])}."


def _row(
    store: "ObjectStore",
    prefix: str,
    manifest: "Manifest",
    file: "ManifestFile",
    names: "Mapping[str, int]",
    link_seconds: int | None,
) -> dict[str, Any]:
    """Describe one file. `key` is the object in the manifest; `uri` is its stable name, if it has one."""
    from aggregation_pipeline.storage.keys import window_key

    stable_name = window_key(prefix, manifest.table, manifest.window, file.name)
    row = {
        "table": manifest.table,
        "window": manifest.window,
        "name": file.name,
        "format": file.format,
        "dataset": file.dataset,
        "rows": file.rows,
        "bytes": file.bytes,
        "crc64": file.crc64,
        "uri": store.uri(stable_name if names.get(stable_name) == file.bytes else file.key),
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
