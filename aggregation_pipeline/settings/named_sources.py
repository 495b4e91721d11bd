"""The databases of a deployment by name: `sources:` of aggregation.yaml, with the variables DB_<NAME>_... over it."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from aggregation_pipeline.config.source_kinds import DEFAULT_KIND, required_keys
from aggregation_pipeline.config.sources import SOURCE_KEYS, Source, variable_of, with_variables_of
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.connections import NO_SALT, options_of_source, source_options
from aggregation_pipeline.settings.messages import describe_problem
from aggregation_pipeline.settings.source import SourceSettings
from aggregation_pipeline.settings.source_variables import SourceVariables, read_source_variables
from aggregation_pipeline.timezones.names import ZoneName

if TYPE_CHECKING:
    from aggregation_pipeline.source.options import SourceOptions

_NO_VARIABLES: Final = SourceVariables()
_FIELDS: Final = {key: f"db_{variable.lower()}" for variable, key in SOURCE_KEYS.items()}


class NamedSourceSettings(SourceSettings):
    """A source by name: what DB_... says of one database, and whose clock its entries follow."""

    db_timezone: ZoneName | None = None


class PlaceOfSource(NamedTuple):
    """What kind a source is of, and what says where it is, or raises SettingsError."""

    kind: str
    options: "Callable[[], SourceOptions]"


@dataclass(frozen=True)
class NamedSources:
    """The sources of a deployment. In all that it is asked, None is the database without a name, that of DB_HOST.

    Attributes:
        configured: those of aggregation.yaml.
    """

    settings: Settings
    configured: Mapping[str, Source]

    @property
    def names(self) -> tuple[str, ...]:
        """Those of aggregation.yaml, then those that variables alone make."""
        return tuple(dict.fromkeys([*self.configured, *self.settings.sources_by_variables]))

    def options(self, name: str | None) -> "SourceOptions":
        """Return where a database is, and the account to connect with.

        Raises:
            SettingsError: no such database is configured, or not all of it.
        """
        if name is None:
            if not self.settings.has_source and self.names:
                raise SettingsError(
                    f"No source database without a name is configured. Give each entry its `source` (there are"
                    f" {', '.join(self.names)}), or set DB_HOST (or DB_SOCKET), DB_USER, DB_PASSWORD and DB_NAME."
                )
            return source_options(self.settings)
        if problem := self.problem(name):
            raise SettingsError(problem)
        return options_of_source(self.of(name), self.settings.mask_salt or NO_SALT, name)

    def kind(self, name: str | None) -> str:
        """Return the kind of a source, also of one that is not configured wholly."""
        return self.settings.db_kind if name is None else str(self._given(name).get("kind", DEFAULT_KIND))

    def place(self, name: str | None) -> PlaceOfSource:
        """Return the kind of a source, and what says where it is."""
        return PlaceOfSource(self.kind(name), partial(self.options, name))

    def where(self, name: str | None) -> str:
        """Return the address of a server, for people; empty where it cannot be told."""
        with suppress(SettingsError):
            return self.options(name).where
        return ""

    def database(self, name: str | None) -> str:
        """Return the database that tables are in where an entry names none."""
        return str((self.settings.db_name if name is None else self._given(name).get("database")) or "default")

    def zone(self, name: str | None) -> ZoneInfo:
        """Return the zone of entries that have none of their own.

        Raises:
            SettingsError: the source has a variable that cannot be used.
        """
        zone = None if name is None else self.of(name).db_timezone
        return ZoneInfo(zone) if zone else self.settings.zone

    def problem(self, name: str) -> str:
        """What is missing of a source by name, or what contradicts itself; empty if it can be connected to.

        Raises:
            SettingsError: one of its variables cannot be used.
        """
        given, source = self._given(name), self.of(name)
        required = required_keys(source.db_kind)
        missing = [key for key in required if key not in given and not (key == "host" and "socket" in given)]
        if missing:
            places = ", ".join(f"{key} ({variable_of(name, key)})" for key in missing)
            return (
                f"The source {name} is half configured, {places} missing: write it below sources.{name}, or set the"
                " variable"
            )
        problems = source.tls_problems()
        return f"The source {name} cannot be used: {with_variables_of(name, '; '.join(problems))}" if problems else ""

    def of(self, name: str) -> NamedSourceSettings:
        """Return the settings of a source by name. Some may be missing.

        Raises:
            SettingsError: names each variable that is wrong. It never holds a secret's value.
        """
        if problem := self._variables(name).problem:
            raise SettingsError(problem)
        return _validated(name, {_FIELDS[key]: value for key, value in self._given(name).items()})

    def _given(self, name: str) -> Mapping[str, object]:
        source = self.configured.get(name)
        variables = {key: value.get_secret_value() for key, value in self._variables(name).values.items()}
        written: dict[str, object] = {}
        if source is not None:
            written = source.model_dump(exclude_none=True, exclude={"source_limits", "pool_limit"})
        if "host" in variables:
            # A socket goes before a host, and the environment before the file.
            written.pop("socket", None)
        return written | variables

    def _variables(self, name: str) -> SourceVariables:
        return self.settings.source_variables.get(name, _NO_VARIABLES)

    def used_by(self, sources: Collection[str | None]) -> tuple[str | None, ...]:
        """Those of `sources`, each once: the database without a name first, then by their places."""
        return tuple(name for name in (None, *self.names) if name in sources)


def load_named_source(name: str, written: Mapping[str, Source], **given: str) -> NamedSourceSettings:
    """Read what is known of one source: what is `given` here by DB_HOST's names before variables and the file.

    Raises:
        SettingsError: names each variable that is wrong. It never holds a secret's value.
    """
    settings = Settings().with_source_variables(read_source_variables(Settings.model_fields))
    known = NamedSources(settings, written).of(name).model_dump(exclude_unset=True)
    if "db_host" in given:
        known.pop("db_socket", None)
    source = _validated(name, known | given)
    if problems := source.tls_problems():
        raise SettingsError(with_variables_of(name, "; ".join(problems)))
    return source


def _validated(name: str, values: Mapping[str, object]) -> NamedSourceSettings:
    try:
        return NamedSourceSettings.model_validate(values)
    except ValidationError as error:
        lines = [describe_problem(problem) for problem in error.errors(include_url=False)]
    raise SettingsError(
        f"The source {name} cannot be used:\n" + "\n".join(f"  - {with_variables_of(name, line)}" for line in lines)
    )
