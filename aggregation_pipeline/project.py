"""Settings and aggregation.yaml read together: what this deployment computes, and when."""

import functools
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aggregation_pipeline.alerts.causes import TableFacts
from aggregation_pipeline.assets.execution import TableJob
from aggregation_pipeline.assets.partitions import partitions_of
from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.config.document import spelled
from aggregation_pipeline.config.loading import load_config, select_tables
from aggregation_pipeline.config.model import TableEntry
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.connections import source_options
from aggregation_pipeline.errors import ConfigError, StorageError
from aggregation_pipeline.runs.asset_keys import require_unique, segment
from aggregation_pipeline.settings import Settings
from aggregation_pipeline.storage.keys import refuse_long_names
from aggregation_pipeline.told import tell_once

log = logging.getLogger(__name__)
DEFAULT_CONFIG: Final = Path(__file__).parent / "config" / "aggregation.yaml"


@dataclass(frozen=True)
class Project:
    """Everything that definitions are built from.

    Attributes:
        tables: the selected entries, each with what its op needs.
        options: how formats write values.
        cron: CRON_SCHEDULE in five fields.
    """

    settings: Settings
    tables: tuple[TableJob, ...]
    options: FormatOptions
    cron: str

    @property
    def platforms(self) -> Mapping[str, str]:
        """By segment of the asset key, what batch_jobs calls a table."""
        return {segment(table.entry.name): table.entry.platform for table in self.tables}

    @property
    def table_facts(self) -> Mapping[str, TableFacts]:
        """By segment of the asset key, what alerts say of a table."""
        return {segment(table.entry.name): TableFacts(table.entry.name, tuple(table.entry.owners)) for table in self.tables}


def load_project(settings: Settings) -> Project:
    """Read aggregation.yaml and CRON_SCHEDULE.

    Raises:
        ConfigError: every mistake, with file and line.
        SettingsError: DAGSTER_PG_URL is not set, or MASK_SALT where it is needed.
    """
    path = settings.aggregation_config or DEFAULT_CONFIG
    config = load_config(path)
    entries = select_tables(config, settings.aggregation_tables, warn=functools.partial(tell_once, log, logging.WARNING))
    require_unique(entries, settings.db_name or "default")
    for entry in entries:
        _refuse_long_keys(entry, settings.oss_prefix, path)
    settings.require_mask_salt(entries)
    cron = _five_fields("CRON_SCHEDULE", settings.cron_schedule)
    return Project(
        settings,
        tuple(_table(entry, settings, cron, path) for entry in entries),
        config.options,
        cron,
    )


def _table(entry: TableEntry, settings: Settings, cron: str, path: Path) -> TableJob:
    zone = ZoneInfo(entry.timezone) if entry.timezone else settings.zone
    where = f"tables.{entry.name}.schedule"
    return TableJob(
        entry,
        entry.formats or settings.output_format,
        source=functools.partial(source_options, settings),
        database=settings.db_name or "default",
        config=path,
        zone=zone,
        locks_url=settings.require_dagster_url(),
        partitions=None if entry.partition is None else partitions_of(entry.partition, zone),
        crons=(cron,) if entry.schedule is None else tuple(dict.fromkeys(_five_fields(where, text) for text in entry.schedule)),
    )


def _refuse_long_keys(entry: TableEntry, prefix: str, path: Path) -> None:
    try:
        refuse_long_names(prefix, entry.name)
    except StorageError as error:
        raise ConfigError(f"{path}:{entry.line or 1}: {spelled(['tables', entry.name])}: {error}") from None


def _five_fields(where: str, text: str) -> str:
    cron, note = to_five_fields(text)
    if note:
        # Each minute is what nobody means who wrote `0 * * * * *` for each hour.
        tell_once(log, logging.WARNING if cron.startswith("* ") else logging.INFO, f"{where}: {note}")
    return cron
