"""What a table is called in Dagster: its asset keys, its op and its group. Databases allow more characters in a name.

Keys are tuples of their parts, so that modules without Dagster can use them; `assets/keys.py` makes `AssetKey`s of
them. This is the only place where the form of a key is written or parsed.
"""

import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.source_kinds import schema_of
from aggregation_pipeline.config.sql.table_names import TableName
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError

OP_PREFIX: Final = "aggregate_"
# Between the name of a scope, which does not hold it, and that of an op.
_SCOPE_END: Final = "__"
MANIFEST: Final = "manifest"
OUTPUTS: Final = (*FORMAT_NAMES, MANIFEST)
SOURCES_GROUP: Final = "sources"
# The group of the files in the shape of the Node.js service, which belong to a tick and to no one table.
NODE_FILES_GROUP: Final = "node_files"
_TABLE, _EXPORT, _NODE_FILES = "aggregation", "export", "node_files"


@dataclass(frozen=True)
class Scope:
    """What tells the names of one component from all others in the same Dagster project; nothing in a deployment.

    Attributes:
        name: begins the names of jobs, schedules, sensors, ops and resources, before a `_`.
        key_prefix: begins the keys of assets.
    """

    name: str = ""
    key_prefix: tuple[str, ...] = ()

    def named(self, name: str) -> str:
        """Return a name as it is in this scope."""
        return f"{self.name}_{name}" if self.name else name

    def op_name(self, name: str) -> str:
        """Name of the op of an entry."""
        return f"{self.name}{_SCOPE_END}{op_name(name)}" if self.name else op_name(name)


# The scope of a deployment: its names stand for themselves.
DEPLOYMENT: Final = Scope()


class TableAsset(NamedTuple):
    """The table that an asset belongs to, by its segment, and which output it is; None for the table itself."""

    segment: str
    output: str | None


# The keys of a table's assets are made several times over, from the same few names.
@functools.lru_cache(maxsize=1_000)
def segment(name: str) -> str:
    """Return `name` as one part of an asset key.

    That is the name itself where Dagster accepts it, else a slug and 8 hex digits of the name's hash: `a.b` and `a-b`
    have the same slug, and a Chinese name has none.
    """
    if re.fullmatch(r"[A-Za-z0-9_]+", name):
        return name
    slug = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:40]
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{slug}_{digest}" if slug else f"t_{digest}"


def source_path(place: Iterable[str], *, source: str | None = None, kind: str = "mysql") -> tuple[str, ...]:
    """Key of a source table: `mysql/<db>/<table>`, or `mysql/<source>/<db>/<table>` where the source has a name.

    It begins with the kind of the source; `place` is that of `place_of`.
    """
    return (kind, *([source] if source else []), *map(segment, place))


def place_of(entry: TableEntry, table: TableName, database: str) -> tuple[str, ...]:
    """Where a source table is: its database and its name, with the schema between them where its kind has schemas.

    Args:
        entry: which reads it.
        table: as the entry names it.
        database: the connection's own.
    """
    schema = schema_of(entry.source_kind)
    if schema:
        return (database, table.database or schema, table.name)
    return (table.database or database, table.name)


def table_path(table: str) -> tuple[str, ...]:
    """Key of the asset of a table, by its segment: `aggregation/<segment>`."""
    return (_TABLE, table)


def export_path(table: str, output: str) -> tuple[str, ...]:
    """Key of a table's asset for one format, or for the manifest: `export/<segment>_<output>`.

    Dagster's lineage labels a node with the last part only, so the last part names the table.
    """
    return (_EXPORT, f"{table}_{output}")


def node_files_path(job: str) -> tuple[str, ...]:
    """Key of the files of a job's ticks in the shape of the Node.js service: `node_files/<job>`."""
    return (_NODE_FILES, job)


def is_node_files(path: Sequence[str]) -> bool:
    """Whether a key is that of the files of a job's ticks."""
    return len(path) == 2 and path[0] == _NODE_FILES


def parse_asset_key(path: Sequence[str], *, prefix: Sequence[str] | None = None) -> TableAsset | None:
    """Return what a key stands for, whatever its prefix, unless one is given; None for a key that is not ours.

    No output has a `_` in its name: the last `_` ends the segment, and no two tables share a key.
    """
    if prefix is not None and list(path[:-2]) != list(prefix):
        return None
    match tuple(path[-2:]):
        case (first, part) if first == _TABLE:
            return TableAsset(part, None)
        case (first, part) if first == _EXPORT:
            table, _, output = part.rpartition("_")
            return TableAsset(table, output) if table and output in OUTPUTS else None
    return None


def op_name(name: str) -> str:
    """Name of the op that does all of a table's work."""
    return OP_PREFIX + segment(name)


def is_of_scope(step: str | None, scope: str = "") -> bool:
    """Whether a step is of the component with this name; without one, whether it is of no component."""
    begin, end, _ = (step or "").partition(f"{_SCOPE_END}{OP_PREFIX}")
    if scope:
        return bool(end) and begin == scope
    # The tables of a deployment may have such names too.
    return not end or begin.startswith(OP_PREFIX)


def segment_of_step(step: str | None, scope: str = "") -> str | None:
    """Segment of the table that a step works on; None for a step that is not of this scope, or of no table."""
    if not step or not is_of_scope(step, scope):
        return None
    op = step.removeprefix(f"{scope}{_SCOPE_END}") if scope else step
    return op.removeprefix(OP_PREFIX) if op.startswith(OP_PREFIX) else None


def group_of(entry: TableEntry) -> str:
    """Name of the group in the lineage that holds a table and its exports."""
    return entry.group or segment(entry.name)


def require_unique(entries: Iterable[TableEntry], database: Callable[[str | None], str]) -> None:
    """Check that no two entries, and no two source tables, have the same name in Dagster.

    `database` returns that of a source's connection, for tables that are named without one.

    Raises:
        ConfigError: two have; it names both.
    """
    seen: dict[tuple[str, ...], str] = {}
    for entry in entries:
        name, source = entry.name, entry.source
        # Names of steps become names of folders, and some file systems ignore case.
        part = segment(name).casefold()
        paths = {table_path(part): f"the table {name!r}"}
        paths |= {export_path(part, output): f"{output} of the table {name!r}" for output in OUTPUTS}
        for table in entry.shards:
            place = place_of(entry, table, database(source))
            described = f"the source table {'.'.join((source, *place) if source else place)!r}"
            paths[source_path(place, source=source, kind=entry.source_kind)] = described
        for path, description in paths.items():
            other = seen.setdefault(path, description)
            if other != description:
                raise ConfigError(
                    f"{other} and {description} would have the same name in Dagster, {'/'.join(path)}."
                    " Rename one of them"
                )
