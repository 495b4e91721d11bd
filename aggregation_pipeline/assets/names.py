"""What a table is called in Dagster: keys and op names, which take fewer characters than MySQL does."""

import hashlib
import re
from collections.abc import Iterable

from dagster import AssetKey

from aggregation_pipeline.errors import ConfigError

OP_PREFIX = "aggregate_"


def segment(name: str) -> str:
    """Return `name` as one segment of an asset key: itself where Dagster takes it, else a slug and 8 hex digits of its hash.

    `a.b` and `a-b` would give the same op name, and Chinese fails in asset keys altogether; the hash keeps them apart.
    """
    if re.fullmatch(r"[A-Za-z0-9_]+", name):
        return name
    slug = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40]
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{slug}_{digest}" if slug else f"t_{digest}"


def source_key(database: str, table: str) -> AssetKey:
    """Key of a source table: `mysql/<db>/<table>`."""
    return AssetKey(["mysql", segment(database), segment(table)])


def table_key(name: str) -> AssetKey:
    """Key of a table's asset: `aggregation/<name>`."""
    return AssetKey(["aggregation", segment(name)])


def export_key(name: str, output: str) -> AssetKey:
    """Key of one of its formats, or of its `manifest`: `export/<name>/<output>`."""
    return AssetKey(["export", segment(name), output])


def manifest_key(name: str) -> AssetKey:
    """Key of the manifest, which is materialized last and speaks for the whole window."""
    return export_key(name, "manifest")


def op_name(name: str) -> str:
    """Name of the op that does all of a table's work."""
    return OP_PREFIX + segment(name)


def require_unique(names: Iterable[str]) -> None:
    """Refuse two entries that Dagster could not tell apart.

    Raises:
        ConfigError: names both.
    """
    seen: dict[str, str] = {}
    for name in names:
        # Op names become folders and job parts in places that ignore case.
        other = seen.setdefault(op_name(name).casefold(), name)
        if other != name:
            raise ConfigError(f"the tables {other!r} and {name!r} would have the same name in Dagster; rename one of the entries")
