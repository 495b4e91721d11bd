"""The variables DB_<NAME>_... of the environment and `.env`: what they say of each source by name.

Any program may have variables of such a form. What is wrong with them is an error only where an entry reads the source.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from aggregation_pipeline.config.sources import split_variable, variable_of
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.environment import NOTHING, names_of_set_variables, read_environment
from aggregation_pipeline.settings.value_files import SUFFIX


@dataclass(frozen=True)
class SourceVariables:
    """What the variables of one source hold.

    Attributes:
        values: by key, as `host`.
        problem: why some of them could not be read; empty if all were.
    """

    values: Mapping[str, SecretStr] = field(default_factory=dict)
    problem: str = ""

    @property
    def is_source(self) -> bool:
        """Whether they make a source: they say where a server is, or what kind of source it is."""
        return not self.values.keys().isdisjoint(("host", "socket", "kind"))


def read_source_variables(others: Iterable[str], own: Mapping[str, str] = NOTHING) -> dict[str, SourceVariables]:
    """The variables that are set, by source.

    Args:
        others: variables in small letters that have a meaning of their own.
        own: as for `read_environment`.

    Raises:
        SettingsError: `.env` cannot be read.
    """
    by_source: dict[str, dict[str, str]] = defaultdict(dict)
    for name, (source, key) in names_of_source_variables(others, own).items():
        by_source[source][name.lower()] = key
    return {source: _read(names, own) for source, names in by_source.items()}


def names_of_source_variables(others: Iterable[str], own: Mapping[str, str] = NOTHING) -> dict[str, tuple[str, str]]:
    """The variables of sources that are set, in capitals and without _FILE, each with its source and its key."""
    taken = {name.upper() for name in others}
    names = {name if name in taken else name.removesuffix(SUFFIX) for name in names_of_set_variables(own)}
    return {name: found for name in sorted(names - taken) if (found := split_variable(name))}


def readable_variables(found: Mapping[str, SourceVariables]) -> list[str]:
    """The names, in small letters, of the variables that are set and could be read."""
    return [variable_of(source, key).lower() for source, variables in found.items() for key in variables.values]


def _read(names: Mapping[str, str], own: Mapping[str, str]) -> SourceVariables:
    try:
        found = read_environment(names, own)
    except SettingsError as error:
        return SourceVariables(problem=str(error))
    return SourceVariables({names[name]: SecretStr(value) for name, value in found.items()})
