"""Tables as a component of any Dagster project: `type: aggregation_pipeline.AggregationComponent` in a defs.yaml."""

import re
from pathlib import Path
from typing import Any, Final

from dagster import Component, ComponentLoadContext, Definitions, Model, Resolvable, scaffold_with
from dagster.components.component.component import ComponentTypeSpec
from pydantic import Field

from aggregation_pipeline.component.attributes_schema import describe_tables
from aggregation_pipeline.component.inline_tables import document_of
from aggregation_pipeline.component.neighbours import refuse_clashes
from aggregation_pipeline.component.own_settings import settings_of
from aggregation_pipeline.component.scaffolder import AggregationScaffolder
from aggregation_pipeline.config.durations import NONE
from aggregation_pipeline.config.loading import config_of, load_config
from aggregation_pipeline.config.yaml.document import Document
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.project import Project, project_of
from aggregation_pipeline.runs.asset_keys import Scope, segment
from aggregation_pipeline.settings.base import Settings

# `__` ends the name of a component in the name of an op.
_NAME: Final = re.compile(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*")
_KEY_PART: Final = re.compile(r"[A-Za-z0-9_]+")


@scaffold_with(AggregationScaffolder)
class AggregationComponent(Component, Model, Resolvable):
    """MySQL and PostgreSQL tables as assets: aggregated, exported as JSON, CSV, Excel, Parquet, to OSS or a folder."""

    tables: dict[str, Any] | None = Field(
        default=None,
        description="The tables, with the keys that aggregation.yaml has.",
        json_schema_extra=describe_tables,
    )
    config: str | None = Field(
        default=None, description="An aggregation.yaml in place of tables, relative to the folder of the component."
    )
    name: str | None = Field(
        default=None,
        description="Begins the names of jobs, schedules, sensors, ops and resources. Default: the folder's name.",
    )
    key_prefix: list[str] = Field(default_factory=list, description="Begins the keys of all assets.")
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="Variables of this component, such as DB_NAME. They go before those of the environment.",
    )
    schedules: bool = Field(default=True, description="Whether it has the schedules of its tables, and retention.")
    sensors: bool = Field(default=True, description="Whether it has the sensors of catch_up and refresh.")
    batch_jobs: bool = Field(
        default=False,
        description="Whether its runs are recorded in batch_jobs. Dagster's own storage has to be PostgreSQL.",
    )

    @classmethod
    def get_spec(cls) -> ComponentTypeSpec:
        """Return what `dg` shows of the component."""
        return ComponentTypeSpec(
            tags=["mysql", "postgresql", "oss", "export"],
            produces=["asset", "asset_check", "job", "schedule", "sensor", "resource"],
        )

    def build_defs(self, context: ComponentLoadContext) -> Definitions:
        """Return the definitions of the tables. Nothing is connected.

        Raises:
            ConfigError: what is wrong with the tables, each with file and line.
            SettingsError: a variable is wrong.
        """
        from aggregation_pipeline.component.assembly import build_component

        project = self.load_project(context)
        return build_component(project, schedules=self.schedules, sensors=self.sensors, batch_jobs=self.batch_jobs)

    def load_project(self, context: ComponentLoadContext) -> Project:
        """Return the tables and their settings.

        Raises:
            ConfigError, SettingsError: as for `build_defs`.
        """
        name = self.name or segment(_place(context))
        if not _NAME.fullmatch(name):
            raise ConfigError(
                f"name: {name!r} is no name of a component: expected letters and digits, with single underscores"
                " between them."
            )
        if wrong := [part for part in self.key_prefix if not _KEY_PART.fullmatch(part)]:
            raise ConfigError(
                f"key_prefix: {wrong[0]!r} is no part of a key: expected letters, digits and underscores."
            )
        path, document = self._where(context)
        settings = self._settings(name, path)
        known = (settings.sources_by_variables, settings.kinds_by_variables)
        config = load_config(path, *known) if document is None else config_of(document, *known)
        if config.node_files is not None:
            raise ConfigError(f"{path}: compat: node is for a deployment of its own: a component writes no such files.")
        if not self.sensors:
            # A sensor of the project around would do what its assets' conditions say.
            entries = tuple(entry.model_copy(update={"catch_up": NONE}) for entry in config.tables)
            config = config.model_copy(update={"tables": entries})
        project = project_of(config, settings, path, Scope(name, tuple(self.key_prefix)))
        refuse_clashes(context, project)
        return project

    def _where(self, context: ComponentLoadContext) -> tuple[Path, Document | None]:
        """The file that holds the tables; with the document that they are where it is the component's own."""
        if (self.tables is None) == (self.config is None):
            raise ConfigError(
                f"{context.path}: either tables or config is expected under attributes, and"
                f" {'neither is' if self.tables is None else 'both are'} there."
            )
        if self.config is not None:
            folder = context.path if context.path.is_dir() else context.path.parent
            path = folder / self.config
            if not path.is_file():
                raise ConfigError(f"config: there is no file {path}. It is looked for in the folder of the component.")
            return path, None
        document = document_of(self.tables or {}, context)
        return document.path, document

    def _settings(self, name: str, path: Path) -> Settings:
        settings = settings_of(self.settings, records_runs=self.batch_jobs).model_copy(
            update={"aggregation_config": path}
        )
        if settings.deployment_name == Settings.model_fields["deployment_name"].default:
            # Each component of a project has rows of its own in batch_jobs.
            settings = settings.model_copy(update={"deployment_name": name})
        if settings.dagster_pg_url is None and settings.batch_jobs_url is not None:
            settings = settings.model_copy(update={"dagster_pg_url": settings.batch_jobs_url})
        return settings


def _place(context: ComponentLoadContext) -> str:
    """The name of the component's folder; with a number for a further component of the same file."""
    found = context.component_path
    name = found.file_path.stem if found.file_path.suffix else found.file_path.name
    return f"{name}_{found.instance_key}" if found.instance_key else name
