"""Settings and aggregation.yaml together: what this deployment computes, and when."""

import functools
import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from dagster import DagsterInstance

from aggregation_pipeline.alerts.incidents import MonitoredTable
from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.assets.needs import warn_of_idle_rules, with_needs_that_count
from aggregation_pipeline.assets.partitions import partitions_of
from aggregation_pipeline.config.compat import NodeFiles
from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.config.loading import DEFAULT_CONFIG, load_config, load_usable_config
from aggregation_pipeline.config.messages.located_issues import format_key_path
from aggregation_pipeline.config.pipeline_config import PipelineConfig
from aggregation_pipeline.config.selection import select_tables
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError, SettingsError, StorageError
from aggregation_pipeline.node_files.names import DEFAULT_TEMPLATE, prefix_of
from aggregation_pipeline.runs.asset_keys import DEPLOYMENT, Scope, require_unique, segment
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.garbage_collection import garbage_collection_paused
from aggregation_pipeline.settings.log_once import log_once
from aggregation_pipeline.settings.misspelled import warn_of_misspelled
from aggregation_pipeline.settings.named_sources import NamedSources
from aggregation_pipeline.settings.rules import RULES_METADATA, as_text, rules_of
from aggregation_pipeline.storage.keys import refuse_folder_of_tables, refuse_long_names

if TYPE_CHECKING:
    from aggregation_pipeline.batch_jobs.live_updates import LiveUpdates
    from aggregation_pipeline.batch_jobs.mirror import About
    from aggregation_pipeline.batch_jobs.repository import BatchJobRepository, OpenRepository
    from aggregation_pipeline.runs.model import BatchJobRow

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Project:
    """Everything that definitions are built from.

    Attributes:
        sources: where the tables are.
        tables: the selected entries, each with what its op needs; placeholders for those that cannot be used.
        cron: CRON_SCHEDULE in five fields.
        left_out: by name, why an entry has not even a placeholder.
        node_files: the files in the shape of the Node.js service, if they are wanted.
        rules: metadata of the code location: by which rules runs are planned, where workers on other machines compute
            them.
        scope: what its names in Dagster begin with.
    """

    settings: Settings
    sources: NamedSources
    tables: tuple[ConfiguredTable, ...]
    cron: str
    left_out: Mapping[str, str] = field(default_factory=dict)
    node_files: NodeFiles | None = None
    rules: Mapping[str, str] = field(default_factory=dict)
    scope: Scope = DEPLOYMENT

    @property
    def used_sources(self) -> tuple[str | None, ...]:
        """The sources that entries read; None, first, is the database of DB_HOST, wherever that is configured."""
        used = {table.entry.source for table in self.tables}
        return self.sources.used_by({*used, None} if self.settings.has_source or not used else used)

    @property
    def platforms(self) -> Mapping[str, str]:
        """By segment of the asset key, the platform that a table is in batch_jobs."""
        return {segment(table.entry.name): table.entry.platform for table in self.tables}

    @property
    def names(self) -> Mapping[str, str]:
        """By segment of the asset key, the name of the entry."""
        return {segment(table.entry.name): table.entry.name for table in self.tables}

    @property
    def monitored_tables(self) -> Mapping[str, MonitoredTable]:
        """By segment of the asset key, what alerts need to know of a table."""
        entries = [table.entry for table in self.tables]
        monitored = {
            segment(entry.name): MonitoredTable(entry.name, tuple(entry.owners), entry.issues) for entry in entries
        }
        return {segment(name): MonitoredTable(name, (), words) for name, words in self.left_out.items()} | monitored

    @property
    def about_rows(self) -> "About":
        """What `mirror_run` and `mirror_runs` need to know of these tables."""
        return {
            "platforms": self.platforms,
            "names": self.names,
            "job_type": self.settings.batch_job_type,
            "secrets": self.settings.secrets,
        }

    def repository_opener(self, application_name: str) -> "OpenRepository":
        """What opens batch_jobs. Nothing is imported or connected before it is called."""

        @functools.cache
        def opener() -> "OpenRepository":
            from aggregation_pipeline.batch_jobs.repository import repository_opener

            return repository_opener(self.settings, application_name=application_name)

        def open_repository(seconds: float) -> "AbstractContextManager[BatchJobRepository]":
            return opener()(seconds)

        return open_repository

    def live_updates(self, application_name: str) -> "LiveUpdates":
        """What keeps the rows of this process's runs in batch_jobs up to date."""
        from aggregation_pipeline.batch_jobs.live_updates import LiveUpdates
        from aggregation_pipeline.batch_jobs.mirror import owner_of, row_of
        from aggregation_pipeline.batch_jobs.repository import kept_repository

        about = self.about_rows

        def read(instance: DagsterInstance, run_id: str) -> "BatchJobRow | None":
            return row_of(instance, run_id, owner=owner_of(instance, self.settings.deployment_name), **about)

        return LiveUpdates(*kept_repository(self.settings, application_name=application_name), read)


@garbage_collection_paused()
def load_project(settings: Settings) -> Project:
    """Read aggregation.yaml and CRON_SCHEDULE.

    Raises:
        ConfigError: lists every config issue with file and line.
        SettingsError: DAGSTER_PG_URL is not set, or MASK_SALT where it is needed.
    """
    path = settings.aggregation_config or DEFAULT_CONFIG
    config = load_config(path, settings.sources_by_variables, settings.kinds_by_variables)
    settings.require_dagster_url()
    return project_of(config, settings, path)


def project_of(config: PipelineConfig, settings: Settings, path: Path, scope: Scope = DEPLOYMENT) -> Project:
    """Return the project of a config that has been read already, from `path`.

    Raises:
        ConfigError: what concerns several entries, or a cron.
        SettingsError: MASK_SALT is not set where it is needed.
    """
    sources = _sources(config, settings)
    entries = _select_entries(config, settings)
    require_unique(entries, sources.database)
    settings.require_mask_salt(entries)
    cron = _five_fields("CRON_SCHEDULE", settings.cron_schedule)
    tables = tuple(_configured_table(entry, sources, cron, path, scope) for entry in entries)
    node_files = _apart_from_tables(config, entries, settings, path)
    return Project(settings, sources, tables, cron, node_files=node_files, scope=scope)


@garbage_collection_paused()
def load_usable_project(settings: Settings, content: bytes | None) -> Project:
    """Read them for Dagster's services, where an entry that cannot be used must not stop the others.

    Such an entry becomes a placeholder, and its `issues` say why. An entry whose assets would have the keys of another
    entry's is left out. `content` is the text of aggregation.yaml, where the caller has read it already.

    Raises:
        ConfigError: an issue outside of the entries.
        SettingsError: DAGSTER_PG_URL is not set.
    """
    path = settings.aggregation_config or DEFAULT_CONFIG
    config, left_out = load_usable_config(path, content, settings.sources_by_variables, settings.kinds_by_variables)
    sources = _sources(config, settings)
    cron = _five_fields("CRON_SCHEDULE", settings.cron_schedule)
    settings.require_dagster_url()
    tables: list[ConfiguredTable] = []
    for entry in _with_distinct_assets(_select_entries(config, settings, left_out), sources, path, left_out):
        try:
            settings.require_mask_salt([entry])
            tables.append(_configured_table(entry, sources, cron, path))
        except (ConfigError, SettingsError) as error:
            issues = str(error) if str(path) in str(error) else f"{_location(entry, path)}: {error}"
            tables.append(_placeholder(entry, issues, sources, path))
    for issues in (*(table.entry.issues for table in tables if table.entry.issues), *left_out.values()):
        log_once(log, logging.ERROR, issues)
    node_files = _apart_from_tables(config, [table.entry for table in tables], settings, path)
    rules = {RULES_METADATA: as_text(rules_of(settings, content))} if settings.runner != "local" else {}
    return Project(settings, sources, tuple(tables), cron, left_out, node_files, rules)


def _sources(config: PipelineConfig, settings: Settings) -> NamedSources:
    """The sources; variables that nearly are those of one are named in the log."""
    used = (entry.source for entry in config.tables if entry.source)
    warn_of_misspelled(Settings.model_fields, dict.fromkeys([*config.sources, *used]))
    return NamedSources(settings, config.sources)


def _select_entries(config: PipelineConfig, settings: Settings, left_out: Collection[str] = ()) -> Sequence[TableEntry]:
    wanted = settings.aggregation_tables
    if left_out and (wanted or not config.tables):
        # A selected table without an entry gets COUNT(*). One whose entry cannot be used must not get that instead.
        wanted = tuple(name for name in wanted or () if name not in left_out)
        if not wanted:
            return ()
    file, warn = (settings.aggregation_config or DEFAULT_CONFIG).name, functools.partial(log_once, log, logging.WARNING)
    warn_of_idle_rules(config, left_out, file)
    return select_tables(config, wanted, warn=warn, file=file, kind=settings.db_kind)


def _with_distinct_assets(
    entries: Sequence[TableEntry], sources: NamedSources, path: Path, left_out: dict[str, str]
) -> Sequence[TableEntry]:
    """The entries, without those whose asset keys an entry before them has; these are added to `left_out`."""
    with suppress(ConfigError):
        require_unique(entries, sources.database)
        return entries
    kept: list[TableEntry] = []
    for entry in entries:
        try:
            require_unique([*kept, entry], sources.database)
        except ConfigError as error:
            left_out[entry.name] = f"{_location(entry, path)}: {error}"
        else:
            kept.append(entry)
    return kept


def _placeholder(entry: TableEntry, issues: str, sources: NamedSources, path: Path) -> ConfiguredTable:
    """A table that is shown and never run. It has no partitions if these are what is wrong with it."""
    entry = entry.model_copy(update={"issues": issues, "schedule": ()})
    try:
        return _configured_table(entry, sources, "", path)
    except ConfigError:
        return _configured_table(entry.model_copy(update={"partition": None}), sources, "", path)


def _configured_table(
    entry: TableEntry, sources: NamedSources, cron: str, path: Path, scope: Scope = DEPLOYMENT
) -> ConfiguredTable:
    settings, source = sources.settings, entry.source
    entry = with_needs_that_count(entry, settings.runner)
    if source and entry.issues is None and (problem := sources.problem(source)):
        raise SettingsError(problem)
    zone = ZoneInfo(entry.timezone) if entry.timezone else sources.zone(None if entry.issues else source)
    if entry.issues is None:
        _refuse_long_keys(entry, settings.oss_prefix, path)
    crons = (
        (cron,)
        if entry.schedule is None
        else tuple(dict.fromkeys(_five_fields(f"tables.{entry.name}.schedule", text) for text in entry.schedule))
    )
    return ConfiguredTable(
        entry,
        entry.formats or settings.output_format,
        source=functools.partial(sources.options, source),
        database=sources.database(source),
        config=path,
        zone=zone,
        partitions=None if entry.partition is None else partitions_of(entry.partition, zone),
        # A schedule would fail each night with issues that have been reported already.
        crons=() if entry.issues else crons,
        scope=scope,
    )


def _apart_from_tables(
    config: PipelineConfig, entries: Sequence[TableEntry], settings: Settings, path: Path
) -> NodeFiles | None:
    """The files of `compat: node`, if they are wanted, after proof that no table has the folder that they lie in."""
    files = config.node_files
    if files is None:
        return None
    names = [entry.name for entry in (*config.tables, *entries)]
    try:
        refuse_folder_of_tables(settings.oss_prefix, prefix_of(files.keys), names)
    except StorageError as error:
        default = "" if files.keys != DEFAULT_TEMPLATE else f" than the default, {DEFAULT_TEMPLATE}"
        raise ConfigError(f"{path}: compat.node.keys: {error}{default}") from None
    return files


def _location(entry: TableEntry, path: Path) -> str:
    return f"{path}:{entry.line or 1}: {format_key_path(['tables', entry.name])}"


def _refuse_long_keys(entry: TableEntry, prefix: str, path: Path) -> None:
    try:
        refuse_long_names(prefix, entry.name)
    except StorageError as error:
        raise ConfigError(f"{_location(entry, path)}: {error}") from None


def _five_fields(where: str, text: str) -> str:
    cron, note, surprising = to_five_fields(text)
    if note:
        log_once(log, logging.WARNING if surprising else logging.INFO, f"{where}: {note}")
    return cron
