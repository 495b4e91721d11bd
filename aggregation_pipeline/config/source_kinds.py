"""The kinds of sources: which there are, and the object that stands for each.

Packages add kinds by entry points of the group `aggregation_pipeline.sources`. Here is what reading the config needs to
know of a kind; `source/kind.py` says what else it has. A kind is looked for when an entry needs it, and its driver is
imported when it reads.
"""

import functools
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Mapping
from typing import Final, Literal, Protocol, get_args

from aggregation_pipeline.config.messages.suggestions import existing_names
from aggregation_pipeline.config.sql.dialect import Dialect
from aggregation_pipeline.config.sql.mysql import MYSQL
from aggregation_pipeline.errors import ConfigError

GROUP: Final = "aggregation_pipeline.sources"
DEFAULT_KIND: Final = "mysql"
# What a source has to say, where its kind needs nothing else.
REQUIRED: Final = ("host", "user", "database")
# Ours, as pyproject.toml declares them: so the metadata of all installed packages is read only for kinds of others.
OWN_KINDS: Final[Mapping[str, str]] = {
    "mysql": "aggregation_pipeline.source.mysql.kind:MYSQL_KIND",
    "postgresql": "aggregation_pipeline.source.postgresql.kind:POSTGRESQL_KIND",
}

# What not every kind can do: read several tables as one, tell which windows have late rows, draft entries, take hints.
Ability = Literal["shards", "refresh", "init", "hints"]
ABILITIES: Final[frozenset[Ability]] = frozenset(get_args(Ability))
_WORDS: Final[Mapping[Ability, str]] = {
    "shards": "read several tables as one",
    "refresh": "tell which windows have got late rows",
    "init": "describe its tables to init",
    "hints": "be given hints to its optimizer",
}


class DeclaredKind(Protocol):
    """What reading the config needs to know of a kind.

    Attributes:
        name: as `kind` has it: mysql.
        title: as people have it: MySQL.
        dialect: of its SQL.
        abilities: what it can do of what not every kind can.
        required: the keys that a source of the kind needs. With `host` in it a socket will do too.
        port: where its servers listen, unless a port is given.
        schema: where a table is whose name says no schema; empty where what stands before a table's name is a database.
        modules: what it imports, by the name of the module, with what to install for it.
    """

    name: str
    title: str
    dialect: Dialect
    abilities: frozenset[Ability]
    required: tuple[str, ...]
    port: int
    schema: str
    modules: Mapping[str, str]


def kind_names() -> tuple[str, ...]:
    """The names of all kinds that are installed, ours first."""
    return tuple(dict.fromkeys([*OWN_KINDS, *sorted(_of_packages())]))


@functools.cache
def kind_named(name: str) -> DeclaredKind:
    """Return a kind.

    Raises:
        ConfigError: there is none of the name, or it cannot be imported; says what to install.
    """
    try:
        found = (
            importlib.metadata.EntryPoint(name, OWN_KINDS[name], GROUP) if name in OWN_KINDS else _of_packages()[name]
        )
    except KeyError:
        raise ConfigError(
            f"there is no kind of source {name!r}; packages add kinds by entry points of the group {GROUP};"
            f" {existing_names(name, kind_names())}"
        ) from None
    try:
        kind: DeclaredKind = found.load()
        modules = kind.modules
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"the kind of source {name} cannot be loaded from {found.value}: {error}") from error
    for module, install in modules.items():
        if importlib.util.find_spec(module) is None:
            raise ConfigError(
                f"the kind of source {name} needs {module}, which is not installed: pip install '{install}'"
            )
    return kind


def checked_kind(name: str) -> str:
    """The name of a kind that is there.

    Raises:
        ValueError: there is none, or it cannot be used.
    """
    try:
        return kind_named(name).name if name != DEFAULT_KIND else name
    except ConfigError as error:
        raise ValueError(str(error)) from error


def is_kind(name: str) -> bool:
    """Whether there is such a kind, which can be used."""
    try:
        return bool(checked_kind(name))
    except ValueError:
        return False


def dialect_of(name: str) -> Dialect:
    """The dialect of a kind.

    Raises:
        ConfigError: as for `kind_named`.
    """
    # Most projects know no other, and need not load what reads it.
    return MYSQL if name == DEFAULT_KIND else kind_named(name).dialect


def required_keys(name: str) -> tuple[str, ...]:
    """The keys that a source of a kind needs. With `host` among them a socket will do too.

    Raises:
        ConfigError: as for `kind_named`.
    """
    return REQUIRED if name == DEFAULT_KIND else kind_named(name).required


def schema_of(name: str) -> str:
    """The schema of tables whose names say none; empty where a kind has no schemas.

    Raises:
        ConfigError: as for `kind_named`.
    """
    return "" if name == DEFAULT_KIND else kind_named(name).schema


def cannot(name: str, ability: Ability) -> str:
    """Why sources of a kind cannot be asked for something; empty if they can.

    Raises:
        ConfigError: as for `kind_named`.
    """
    if name == DEFAULT_KIND or ability in kind_named(name).abilities:
        return ""
    return f"a source of the kind {name} ({kind_named(name).title}) cannot {_WORDS[ability]}"


@functools.cache
def _of_packages() -> Mapping[str, importlib.metadata.EntryPoint]:
    """The kinds of installed packages. Two packages with one name are told by what loads first, which is kept."""
    found: dict[str, importlib.metadata.EntryPoint] = {}
    for each in importlib.metadata.entry_points(group=GROUP):
        found.setdefault(each.name, each)
    return found
