"""The Python API: run everything once from any program, as the collector did that this project replaces."""

from collections.abc import Sequence

from aggregation_pipeline.automation.selected_assets import chosen_tables
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.local.instance import open_instance
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.project import load_project
from aggregation_pipeline.runs.results import RunResult
from aggregation_pipeline.settings.base import load_settings
from aggregation_pipeline.settings.output_format import parse_formats


def collect_all(tables: Sequence[str] | str | None = None, formats: Sequence[str] | str | None = None) -> RunResult:
    """Run the tables once, in this process, and wait for the end: compute, export, record in batch_jobs.

    Settings come from the environment and `.env`, as for `aggregation-pipeline run`. Dagster's UI shows the run like
    any other.

    Args:
        tables: names of tables; a string is one name, or several separated by commas. None: all.
        formats: json, csv, excel, parquet, in the same way. None: those that are configured.

    Returns:
        `.batch_job_id` (the id of the run, and of its row in batch_jobs), `.status` (completed or failed),
        `.total_items` (rows of all tables), `.results` (by table: `.status`, `.items`, `.error`), `.files`, `.seconds`.
        A table that fails is an entry in `.results`; nothing is raised for it.

    Raises:
        PipelineError: nothing could be run: wrong settings, a wrong configuration file, a table or format that is not
            configured, no answer from PostgreSQL.
    """
    project, names = load_project(load_settings()), _names(tables)
    chosen = chosen_tables(project, names)
    with open_instance(project) as instance:
        definitions = build_definitions(project, tables=chosen)
        return run_tables(project, definitions, instance, tables=names, formats=_formats(formats))


def _names(given: Sequence[str] | str | None) -> Sequence[str] | None:
    return [name.strip() for name in given.split(",") if name.strip()] if isinstance(given, str) else given


def _formats(given: Sequence[str] | str | None) -> Sequence[str] | None:
    if given is None:
        return None
    try:
        return parse_formats(given if isinstance(given, str) else ",".join(given))
    except ValueError as error:
        raise ConfigError(f"formats: {error}") from None
