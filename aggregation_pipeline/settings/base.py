"""The environment, and a `.env` beside it, as one frozen object.

Variables have the names of the services that this project replaces. Nothing here opens a connection. A value that is
wrong in itself is refused here; what only a server can tell is refused where that server is asked.
"""

import functools
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.config.format_names import FormatName
from aggregation_pipeline.config.hosts_and_urls import split_host_and_port
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.settings.access import AccessSettings
from aggregation_pipeline.settings.alerts import AlertSettings
from aggregation_pipeline.settings.env_precedence import restore_environment
from aggregation_pipeline.settings.environment import read_environment
from aggregation_pipeline.settings.logs import LogSettings
from aggregation_pipeline.settings.messages import describe_problem, half_configured, split_list
from aggregation_pipeline.settings.misspelled import warn_of_misspelled
from aggregation_pipeline.settings.oss import OssSettings
from aggregation_pipeline.settings.output_format import parse_formats
from aggregation_pipeline.settings.postgres import PostgresSettings
from aggregation_pipeline.settings.runner import RunnerSettings
from aggregation_pipeline.settings.runner_containers import ContainerSettings
from aggregation_pipeline.settings.source import SOURCE_VARIABLES, SourceSettings
from aggregation_pipeline.settings.source_variables import SourceVariables, read_source_variables, readable_variables
from aggregation_pipeline.settings.supabase import SupabaseSettings
from aggregation_pipeline.settings.telemetry import folder_problems
from aggregation_pipeline.settings.unusable import unusable
from aggregation_pipeline.timezones.names import ZoneName

Model = TypeVar("Model", bound=BaseModel)

_SHORTEST_SALT: Final = 16
# Proxies and clients give up earlier.
LONGEST_WAIT_SECONDS: Final = 3600


class Settings(
    SourceSettings,
    OssSettings,
    PostgresSettings,
    SupabaseSettings,
    RunnerSettings,
    ContainerSettings,
    AlertSettings,
    AccessSettings,
    LogSettings,
):
    """Every variable with its default; those of one service are in its own module. Secrets are `SecretStr`."""

    model_config = ConfigDict(frozen=True, validate_default=True)

    # The key of `mask: {phone: hash}`. With it, anybody can try out all phone numbers; with another key, all hashes
    # change.
    mask_salt: SecretStr | None = None

    # What runs, when, and into which formats.
    aggregation_config: Path | None = None
    aggregation_tables: tuple[str, ...] | None = None
    output_format: tuple[FormatName, ...] = ("json",)
    cron_schedule: str = "0 0 2 * * *"
    timezone: ZoneName = "Asia/Shanghai"
    # Whether the tables of a run are computed one after the other in one process, or each in its own process.
    executor: Literal["in_process", "multiprocess"] = "in_process"

    # How long stored extracts stay. `keep` and `keep_last` in aggregation.yaml say it of the files made from them.
    extract_keep_days: int = Field(default=7, ge=1, le=3650)

    # The names, besides this machine's own, by which people reach the UI.
    allowed_hosts: tuple[str, ...] = ()
    # Whether people sign in before they reach the UI, so that `serve` may listen where other machines reach it.
    sign_in_at_proxy: bool = False
    # How long POST /aggregate waits for the runs if the request does not say it. The Node service answered after the
    # work.
    aggregate_wait_seconds: int = Field(default=0, ge=0, le=LONGEST_WAIT_SECONDS)
    # How long `serve` waits for runs when it is stopped.
    stop_seconds: int = Field(default=600, ge=0, le=86_400)

    storage_dir: Path = Path("exports")

    # Those of the sources by name, which are known when the environment is read: DB_SHOP_HOST.
    _source_variables: Mapping[str, SourceVariables] = PrivateAttr(default_factory=dict)

    @field_validator("aggregation_tables", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return (split_list(value) or None) if isinstance(value, str) else value

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return split_list(value) if isinstance(value, str) else value

    @field_validator("allowed_hosts")
    @classmethod
    def _refuse_bad_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            try:
                split_host_and_port(entry)
            except ValueError as error:
                raise ValueError(f"{entry!r} is no host: {error}. Expected NAME or NAME:PORT") from None
        return value

    @field_validator("output_format", mode="before")
    @classmethod
    def _read_formats(cls, value: object) -> object:
        return parse_formats(value) if isinstance(value, str) else value

    @field_validator("cron_schedule")
    @classmethod
    def _refuse_bad_cron(cls, value: str) -> str:
        try:
            to_five_fields(value)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("mask_salt")
    @classmethod
    def _refuse_short_salt(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _SHORTEST_SALT:
            raise ValueError(
                f"at least {_SHORTEST_SALT} random characters are expected, or the hashes of phone numbers could be"
                " undone by trying; make one with: openssl rand -hex 32"
            )
        return value

    @model_validator(mode="after")
    def _refuse_incomplete_services(self) -> "Settings":
        supabase = ("SUPABASE_URL", "SUPABASE_KEY")
        problems = [
            *half_configured("the source database", self._given(SOURCE_VARIABLES), self.missing_variables()),
            *self.tls_problems(),
            *self.oss_problems(),
            *self.access_problems(),
            *self.runner_problems(executor=self.executor, folder_store=self.oss_bucket is None),
            *self.container_problems(self.runner, folder_store=self.oss_bucket is None and self.storage_shared),
            *half_configured(
                "Supabase", self._given(supabase), [name for name in supabase if not self._given((name,))]
            ),
            *folder_problems(
                {
                    "LOG_DIR": self.log_dir,
                    "TEMP_DIR": self.temp_dir,
                    "STORAGE_DIR": self.storage_dir,
                    "AUTH_FILE": self.auth_path.parent,
                }
            ),
        ]
        if problems:
            raise ValueError("; ".join(problems))
        try:
            _ = self.oss_options
        except SettingsError as error:
            raise ValueError(str(error)) from None
        return self

    def _given(self, names: tuple[str, ...]) -> list[str]:
        return [name for name in names if getattr(self, name.lower()) is not None]

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of schedules, windows and the database's session."""
        return ZoneInfo(self.timezone)

    @property
    def has_source(self) -> bool:
        """Whether a source database is configured at all."""
        return not self.missing_variables()

    def with_source_variables(self, found: Mapping[str, SourceVariables]) -> Self:
        """Take the variables of sources by name."""
        self._source_variables = found
        return self

    @property
    def source_variables(self) -> Mapping[str, SourceVariables]:
        """The variables DB_<NAME>_..., by the name of the source."""
        return self._source_variables

    @property
    def variable_names(self) -> list[str]:
        """The names of all variables that may be set, in small letters, without those that cannot be read."""
        return [*type(self).model_fields, *readable_variables(self._source_variables)]

    @property
    def sources_by_variables(self) -> tuple[str, ...]:
        """The sources by name that variables alone make."""
        return tuple(name for name, variables in self._source_variables.items() if variables.is_source)

    @property
    def kinds_by_variables(self) -> dict[str | None, str]:
        """The kinds of sources that variables name, by the source; None is the database without a name."""
        named = {name: found.values["kind"] for name, found in self._source_variables.items() if "kind" in found.values}
        return {None: self.db_kind, **{name: kind.get_secret_value() for name, kind in named.items()}}

    def require_mask_salt(self, entries: Iterable[TableEntry]) -> None:
        """Raise SettingsError where an entry hashes a column and MASK_SALT is not set."""
        file = self.aggregation_config.name if self.aggregation_config else "aggregation.yaml"
        hashed = [
            f"{entry.name}.{column}" for entry in entries for column, rule in entry.mask.items() if rule == "hash"
        ]
        if hashed and self.mask_salt is None:
            raise SettingsError(
                f"MASK_SALT is not set, and {file} masks {', '.join(hashed)} by hash. Set it to a long random text,"
                " once for all deployments whose files are joined (openssl rand -hex 32), or mask by partial or drop."
            )

    @functools.cached_property
    def secrets(self) -> tuple[str, ...]:
        """Every secret value, so that it can be removed from texts that other programs wrote."""
        from sqlalchemy import make_url

        values = [value.get_secret_value() for value in dict(self).values() if isinstance(value, SecretStr)]
        values += [
            variables.values["password"].get_secret_value()
            for variables in self._source_variables.values()
            if "password" in variables.values
        ]
        # A password may begin with these words too.
        urls = [make_url(value) for value in values if re.match(r"(postgres|redis)[^:]*://", value)]
        passwords = [url.password for url in urls]
        in_query = [str(value) for url in urls for key, value in url.query.items() if "password" in key.lower()]
        return tuple(value for value in (*values, *passwords, *in_query, *self.alert_secrets) if value)


def load_settings() -> Settings:
    """Read the environment, and what it lacks from `.env` (or the file that AGGREGATION_ENV_FILE names).

    Raises:
        SettingsError: names every variable that is wrong, and what was expected. It never holds a secret's value.
    """
    restore_environment()
    variables = read_environment(Settings.model_fields)
    warn_of_misspelled(Settings.model_fields)
    return validated(Settings, variables).with_source_variables(read_source_variables(Settings.model_fields))


def load_part(model: type[Model]) -> Model:
    """Read only the variables of one part of the settings, as `load_settings` does.

    Raises:
        SettingsError: as for `load_settings`.
    """
    restore_environment()
    return validated(model, read_environment(model.model_fields))


def load_log_settings() -> LogSettings:
    """Read only the variables LOG_..., as `load_part` does."""
    return load_part(LogSettings)


def load_source_settings(**given: str) -> SourceSettings:
    """Read only the variables DB_..., those that are given here before the others. Some may be missing.

    Raises:
        SettingsError: as for `load_settings`.
    """
    restore_environment()
    variables = read_environment(SourceSettings.model_fields) | given
    if "db_host" in given:
        variables.pop("db_socket", None)
    settings = validated(SourceSettings, variables)
    if problems := settings.tls_problems():
        raise SettingsError("; ".join(problems))
    return settings


def validated(model: type[Model], variables: Mapping[str, str], *, in_component: bool = False) -> Model:
    """Make settings of the texts of variables; `in_component`: some of them stand in the `settings` of a component.

    Raises:
        SettingsError: as for `load_settings`.
    """
    try:
        return model.model_validate(variables)
    except ValidationError as error:
        lines = [describe_problem(problem) for problem in error.errors(include_url=False)]
    raise SettingsError(unusable(lines, in_component=in_component))
