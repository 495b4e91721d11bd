"""Keys read back: listings need to know what an object is by its key alone."""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.keys import (
    DATASETS,
    LATEST_FOLDER,
    MANIFEST,
    MARK,
    extract_key,
    extracts_root,
    latest_name_key,
    manifest_key,
    mark_key,
    tables_prefix,
    window_key,
)
from aggregation_pipeline.storage.window_names import is_window

_PUBLICATION: Final = re.compile(r"([A-Za-z0-9_-]+)(?:\.([1-9][0-9]*))?")


class ParsedKey(NamedTuple):
    """What a key says.

    Attributes:
        publication: empty for what lies in the window's own folder: the window manifest, and stable names.
        name: the last segment as it stands in the key. `manifest.json` is the manifest, `%6Danifest.json` the file of
            a table called manifest. Of an extract, the dataset.
    """

    table: str
    window: str
    publication: str
    name: str


def parse_key(prefix: str, key: str) -> ParsedKey | None:
    """Return what the key of a window's object says; None for every key that we would not have made."""
    root = tables_prefix(prefix)
    match key.removeprefix(root).split("/") if key.startswith(root) else []:
        case [table, window, name]:
            parsed = ParsedKey(unquote(table), unquote(window), "", name)
        case [table, window, publication, name] if _PUBLICATION.fullmatch(publication):
            parsed = ParsedKey(unquote(table), unquote(window), publication, name)
        case _:
            return None
    return parsed if is_window(parsed.window) and _makes(prefix, parsed, key) else None


def parse_extract_key(prefix: str, key: str) -> ParsedKey | None:
    """Return what the key of a stored extract says; None for every key that we would not have made."""
    root = extracts_root(prefix)
    match key.removeprefix(root).split("/") if key.startswith(root) else []:
        case [table, window, publication, name] if _PUBLICATION.fullmatch(publication) and is_window(unquote(window)):
            parsed = ParsedKey(unquote(table), unquote(window), publication, name.removesuffix(".parquet"))
        case _:
            return None
    return parsed if parsed.name in DATASETS and extract_key(prefix, *parsed) == key else None


def parse_latest_name(prefix: str, key: str) -> tuple[str, str] | None:
    """Return the table and the last segment of a stable name in a folder `latest`; None for every other key."""
    root = tables_prefix(prefix)
    match key.removeprefix(root).split("/") if key.startswith(root) else []:
        case [table, latest, name] if latest == LATEST_FOLDER and _is_latest_name(prefix, unquote(table), name, key):
            return unquote(table), name
        case _:
            return None


def _is_latest_name(prefix: str, table: str, name: str, key: str) -> bool:
    try:
        return latest_name_key(prefix, table, unquote(name)) == key
    except StorageError:
        return False


def _makes(prefix: str, parsed: ParsedKey, key: str) -> bool:
    """Whether keys.py makes this very `key` of the parsed names. Other spellings of it are not ours."""
    table, window, publication, name = parsed
    try:
        if name == MANIFEST:
            return key == manifest_key(prefix, table, window, publication=publication or None)
        if name == MARK and publication:
            return key == mark_key(prefix, table, window, publication)
        return key == window_key(prefix, table, window, unquote(name), publication=publication or None)
    except StorageError:
        return False
