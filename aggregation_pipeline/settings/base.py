"""The environment, and a `.env` beside it, as one frozen object.

Names are those of the services that this project replaces. Nothing here opens a connection; what can be wrong with a
value alone is refused here, what only a server can tell is refused where the server is asked.
"""

import functools
import logging
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from sqlalchemy import make_url

from aggregation_pipeline.config.addresses import split_host_and_port
from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.config.format_names import FORMAT_NAMES, FormatName
from aggregation_pipeline.config.messages.likely_causes import foreign_sign
from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError, SettingsError
from aggregation_pipeline.postgres.url import normalize_url
from aggregation_pipeline.settings.alerts import AlertSettings
from aggregation_pipeline.settings.env_precedence import restore_environment
from aggregation_pipeline.settings.environment import names_of_set_variables, read_environment
from aggregation_pipeline.settings.log_once import log_once
from aggregation_pipeline.settings.messages import describe_problem, misspelled_variables
from aggregation_pipeline.settings.oss import OssSettings
from aggregation_pipeline.settings.source import SOURCE_VARIABLES, SourceSettings
from aggregation_pipeline.settings.supabase import SupabaseSettings
from aggregation_pipeline.settings.telemetry import folder_problems
from aggregation_pipeline.timezones.names import ZoneName

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

_log = logging.getLogger(__name__)
_SHORTEST_SALT = 16


class Settings(SourceSettings, OssSettings, SupabaseSettings, AlertSettings):
    """Every variable, with its default; those of one service stand in its own module. Secrets are `SecretStr`."""

    model_config = ConfigDict(frozen=True, validate_default=True)

    # The key of `mask: {phone: hash}`. Whoever has it can try out all phone numbers; with another one all hashes
    # change.
    mask_salt: SecretStr | None = None

    # What runs, when, and into which formats.
    aggregation_config: Path | None = None
    aggregation_tables: tuple[str, ...] | None = None
    output_format: tuple[FormatName, ...] = ("json",)
    cron_schedule: str = "0 0 2 * * *"
    timezone: ZoneName = "Asia/Shanghai"
    # Tables of a run one after the other in one process, or each in a process of its own.
    executor: Literal["in_process", "multiprocess"] = "in_process"

    # PostgreSQL: Dagster's own storage, and batch_jobs (which defaults to the former).
    dagster_pg_url: SecretStr | None = None
    batch_jobs_url: SecretStr | None = None
    batch_job_type: str = Field(default="data_collection", min_length=1, max_length=50)
    deployment_name: str = Field(default="default", min_length=1, max_length=63)
    # Terminal rows of ours are deleted after so many days; unset keeps them for ever.
    batch_jobs_retention_days: int | None = Field(default=None, ge=1, le=36_500)
    # How far back the first start of the sensors, and `batch-jobs backfill`, look for runs without a row.
    batch_jobs_history_days: int = Field(default=30, ge=0, le=36_500)

    # How long stored extracts stay; the files made of them have `keep` and `keep_last` in aggregation.yaml.
    extract_keep_days: int = Field(default=7, ge=1, le=3650)

    # Under which names people reach the UI that `python -m aggregation_pipeline.web` serves, beside this machine's own.
    allowed_hosts: tuple[str, ...] = ()

    storage_dir: Path = Path("exports")
    log_dir: Path = Path("logs")
    # Node services say "warn" where Python says WARNING.
    log_level: LogLevel = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("aggregation_tables", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip()) or None
            if isinstance(value, str)
            else value
        )

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("allowed_hosts")
    @classmethod
    def _are_hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
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
    def _can_be_followed(cls, value: str) -> str:
        try:
            to_five_fields(value)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        upper = str(value).strip().upper()
        return {"WARN": "WARNING", "TRACE": "DEBUG", "VERBOSE": "DEBUG", "SILLY": "DEBUG", "FATAL": "CRITICAL"}.get(
            upper, upper
        )

    @field_validator("mask_salt")
    @classmethod
    def _hard_to_guess(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _SHORTEST_SALT:
            raise ValueError(
                f"at least {_SHORTEST_SALT} random characters are expected, or the hashes of phone numbers could be"
                " undone by trying; make one with: openssl rand -hex 32"
            )
        return value

    @field_validator("dagster_pg_url", "batch_jobs_url")
    @classmethod
    def _right_url(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        try:
            return (
                None
                if value is None
                else SecretStr(normalize_url(value.get_secret_value(), name=str(info.field_name).upper()))
            )
        except SettingsError as error:
            # As a ValueError it joins the other mistakes in one message.
            raise ValueError(str(error)) from None

    @model_validator(mode="after")
    def _whole_services(self) -> "Settings":
        supabase = ("SUPABASE_URL", "SUPABASE_KEY")
        problems = [
            *_half_configured("the source database", self._given(SOURCE_VARIABLES), _missing_source(self)),
            *self.tls_problems(),
            *self.oss_problems(),
            *_half_configured(
                "Supabase", self._given(supabase), [name for name in supabase if not self._given((name,))]
            ),
            *folder_problems({"LOG_DIR": self.log_dir, "TEMP_DIR": self.temp_dir, "STORAGE_DIR": self.storage_dir}),
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
        """The time zone of schedules, windows and the MySQL session."""
        return ZoneInfo(self.timezone)

    @property
    def batch_jobs_history(self) -> timedelta:
        """How far back runs are given rows: never further than rows are kept."""
        return timedelta(
            days=min(self.batch_jobs_history_days, self.batch_jobs_retention_days or self.batch_jobs_history_days)
        )

    @property
    def has_source(self) -> bool:
        """Whether a source database is configured at all."""
        return self.db_user is not None

    def require_mask_salt(self, entries: Iterable[TableEntry]) -> None:
        """Prove that what the entries mask can be masked.

        Raises:
            SettingsError: one of them hashes a column, and MASK_SALT is not set.
        """
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
        """Every secret value, to be kept out of texts that others wrote."""
        values = [value.get_secret_value() for value in dict(self).values() if isinstance(value, SecretStr)]
        urls = [make_url(value) for value in values if value.startswith("postgres")]
        passwords = [url.password for url in urls]
        in_query = [str(value) for url in urls for key, value in url.query.items() if "password" in key.lower()]
        return tuple(value for value in (*values, *passwords, *in_query, *self.alert_secrets) if value)

    def require_dagster_url(self) -> str:
        """Return the URL of Dagster's PostgreSQL.

        Raises:
            SettingsError: DAGSTER_PG_URL is not set.
        """
        if self.dagster_pg_url is None:
            raise SettingsError(
                "DAGSTER_PG_URL is not set: Dagster keeps its runs and schedules, and the one-at-a-time locks, in"
                " PostgreSQL. Set DAGSTER_PG_URL=postgresql+psycopg2://user:password@host:5432/dagster, or try"
                " everything on embedded servers with `make demo`."
            )
        return self.dagster_pg_url.get_secret_value()

    def require_batch_jobs_url(self) -> str:
        """Return the URL of the PostgreSQL that holds batch_jobs: BATCH_JOBS_URL, else Dagster's own."""
        return self.batch_jobs_url.get_secret_value() if self.batch_jobs_url is not None else self.require_dagster_url()


def parse_formats(text: str) -> tuple[FormatName, ...]:
    """Read OUTPUT_FORMAT: one name, several with commas, or `all`; in the order of FORMAT_NAMES, each once.

    Raises:
        ValueError: a name that is no format; the message names the right ones.
    """
    names = {part.strip().lower() for part in text.split(",") if part.strip()}
    names = {"excel" if name == "xlsx" else name for name in names}
    unknown = sorted(names - {*FORMAT_NAMES, "all"})
    if unknown or not names:
        cause = foreign_sign(text)
        hint = (
            f": {cause}"
            if cause
            else f".{''.join(did_you_mean(name, FORMAT_NAMES) for name in unknown)}".removesuffix(".")
        )
        found = ", ".join(unknown) or "nothing"
        raise ValueError(
            f"expected one or more of {', '.join(FORMAT_NAMES)} (with commas between), or all; found {found}{hint}"
        )
    return tuple(name for name in get_args(FormatName) if name in names or "all" in names)


def _missing_source(settings: Settings) -> list[str]:
    missing = [name for name in ("DB_USER", "DB_NAME") if getattr(settings, name.lower()) is None]
    return missing if settings.db_host or settings.db_socket else ["DB_HOST", *missing]


def _half_configured(service: str, given: list[str], missing: list[str]) -> list[str]:
    if not given or not missing:
        return []
    said = f"{', '.join(given)} set, but {', '.join(missing)} missing (set them too, or none of them)"
    return [f"{service} is half configured: {said}"]


def load_settings() -> Settings:
    """Read the environment, and below it `.env` (or the file that AGGREGATION_ENV_FILE names).

    Raises:
        SettingsError: every variable that is wrong, by name, with what was expected. Values of secrets never appear.
    """
    restore_environment()
    variables = read_environment(Settings.model_fields)
    _tell_misspelt(tuple(names_of_set_variables()))
    try:
        return Settings.model_validate(variables)
    except ValidationError as error:
        lines = [describe_problem(problem) for problem in error.errors(include_url=False)]
    raise SettingsError("The environment (or .env) cannot be used:\n" + "\n".join(f"  - {line}" for line in lines))


@functools.cache
def _tell_misspelt(names: tuple[str, ...]) -> None:
    """Say which variables nobody reads that were likely meant for us."""
    for name, meant in misspelled_variables(names, [known.upper() for known in Settings.model_fields]).items():
        log_once(
            _log,
            logging.WARNING,
            f"The environment (or .env) sets {name}, which has no meaning here. Was {meant} meant?",
        )
