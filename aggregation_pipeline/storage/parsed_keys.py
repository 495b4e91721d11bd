"""Keys read back: what an object is, told by its key alone, as listings need it."""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage.keys import (
    DATASETS,
    MANIFEST,
    MARK,
    extract_key,
    extracts_root,
    manifest_key,
    mark_key,
    tables_prefix,
    window_key,
)
from aggregation_pipeline.storage.window_names import is_window

_PUBLICATION: Final = re.compile(r"([A-Za-z0-9_-]+)(?:\.([1-9][0-9]*))?")


class ParsedKey(NamedTuple):
    """What a key says.

    `publication` is empty for what lies in the window's own folder: the switch, and the stable names. `name` is the
    last segment as it stands in the key: `manifest.json` is the manifest, `%6Danifest.json` the file of a table of that
    name.
    """

    table: str
    window: str
    publication: str
    name: str


def parse_key(prefix: str, key: str) -> ParsedKey | None:
    """What the key of a window's object says: the way back, for listings. None for every key that we would not have
    made.
    """
    root = tables_prefix(prefix)
    match key.removeprefix(root).split("/") if key.startswith(root) else []:
        case [table, window, name]:
            place = ParsedKey(unquote(table), unquote(window), "", name)
        case [table, window, publication, name] if _PUBLICATION.fullmatch(publication):
            place = ParsedKey(unquote(table), unquote(window), publication, name)
        case _:
            return None
    return place if is_window(place.window) and _is_key_of(prefix, place, key) else None


def parse_extract_key(prefix: str, key: str) -> ParsedKey | None:
    """The same of a stored extract, whose `name` is the dataset's."""
    root = extracts_root(prefix)
    match key.removeprefix(root).split("/") if key.startswith(root) else []:
        case [table, window, publication, name] if _PUBLICATION.fullmatch(publication) and is_window(unquote(window)):
            place = ParsedKey(unquote(table), unquote(window), publication, name.removesuffix(".parquet"))
        case _:
            return None
    return place if place.name in DATASETS and extract_key(prefix, *place) == key else None


def _is_key_of(prefix: str, place: ParsedKey, key: str) -> bool:
    """Whether the names in `place` make `key`: there is one key for each, and other spellings of it are not ours."""
    table, window, publication, name = place
    try:
        if name == MANIFEST:
            return key == manifest_key(prefix, table, window, publication=publication or None)
        if name == MARK and publication:
            return key == mark_key(prefix, table, window, publication)
        return key == window_key(prefix, table, window, unquote(name), publication=publication or None)
    except StorageError:
        return False
