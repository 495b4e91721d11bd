"""A full collection of what is configured, by the code of `run` and `collect_all`, in a place of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from aggregation_pipeline.automation.selected_assets import chosen_tables
from aggregation_pipeline.batch_jobs.projection import INTEGER_MAX, row_id
from aggregation_pipeline.batch_jobs.repository import BatchJobRepository, repository_opener
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.doctor.trials.place import place_of_test
from aggregation_pipeline.doctor.trials.rows import JOB_TYPE, new_owner, one_test_at_a_time, remove_rows
from aggregation_pipeline.local.console import say, table_bars
from aggregation_pipeline.local.run import run_tables
from aggregation_pipeline.project import Project, load_project
from aggregation_pipeline.runs.model import Owner
from aggregation_pipeline.runs.results import Batch, RunResult
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.connections import open_store
from aggregation_pipeline.source.findings import Finding, failure, ok, warning
from aggregation_pipeline.storage.published import load_manifest, published_windows

_SECONDS: Final = 60.0


def try_collection(settings: Settings, tables: Sequence[str] | None) -> Iterator[Finding]:
    """Run the tables (None: all) once, and compare the row and the files with the result. All of it is deleted again.

    Raises:
        PipelineError: nothing can be run, or it cannot be cleaned up.
    """
    owner = new_owner(settings.deployment_name)
    open_rows = repository_opener(settings, application_name="aggregation cli")
    with one_test_at_a_time(settings) as connection:
        with open_rows(_SECONDS) as rows:
            rows.ensure_table()
            left = remove_rows(rows, settings.deployment_name)
        yield ok("left over", f"{left} rows of earlier tests were deleted" if left else "nothing of an earlier test")
        try:
            with place_of_test(settings, connection, owner) as (inside, open_instance):
                project = _with_all_files_inside(load_project(inside))
                where = f"the prefix {inside.oss_prefix}" if inside.oss_options else "a folder in TEMP_DIR"
                yield ok(
                    "place", f"files go to {where}, runs into tables of Dagster of their own; all of it is deleted"
                )
                with open_instance() as instance, table_bars() as observer:
                    definitions = build_definitions(project, observer, chosen_tables(project, tables))
                    result = run_tables(project, definitions, instance, tables=tables, formats=None, report=say)
                yield from _tables(result)
                with open_rows(_SECONDS) as rows:
                    yield from (_row(rows, owner, batch) for batch in result.batches)
                yield _files(project)
        except KeyboardInterrupt:
            say("Broken off. What the test has made is deleted")
            raise
        finally:
            with open_rows(_SECONDS) as rows:
                removed = remove_rows(rows, settings.deployment_name)
    yield ok("clean up", f"{removed} rows of job type {JOB_TYPE}, the files and Dagster's tables were deleted")


def _with_all_files_inside(project: Project) -> Project:
    """The project with the files of `compat: node`, which lie outside of OSS_PREFIX, below the prefix of the test."""
    files, prefix = project.node_files, project.settings.oss_prefix
    if files is None or not prefix:
        return project
    # Their keys are a template. A prefix with braces would be read as a part of it.
    inside = None if "{" in prefix else files.model_copy(update={"keys": f"{prefix}/{files.keys}"})
    return replace(project, node_files=inside)


def _tables(result: RunResult) -> Iterator[Finding]:
    for name, table in result.tables.items():
        where = f"tables.{name}"
        if table.status == "completed":
            files = sum(file["table"] == name for file in result.files)
            yield ok(where, f"{table.items:,} rows, {files} files")
        elif table.status == "failed":
            yield failure(where, table.error or "it failed, and left no error", _SEE)
        elif table.error:
            # It has no partition that is complete.
            yield warning(where, table.error, "")
        else:
            yield failure(
                where, "its run ended before it was done: it was interrupted, or its process lacked something"
            )


_SEE: Final = "`aggregation-pipeline check` and `plan` look at each part of it alone"


def _row(rows: BatchJobRepository, owner: Owner, batch: Batch) -> Finding:
    name = f"row {batch.batch_job_id[:8]}"
    found = rows.read_rows(owner, [row_id(batch.batch_job_id)])
    if not found:
        return failure(
            name,
            "batch_jobs has no row of the run",
            "`aggregation-pipeline batch-jobs test --connection` tells why it cannot be written",
        )
    row = found[0]
    expected = (batch.status, min(batch.total_items, INTEGER_MAX), JOB_TYPE)
    if (row.status, row.total_items, row.job_type) != expected:
        return failure(
            name,
            f"batch_jobs says {row.status} with {row.total_items:,} items, and the run {batch.status} with"
            f" {batch.total_items:,}",
            "Look for triggers and rules on public.batch_jobs",
        )
    platforms = ", ".join(row.platforms_processed) or "none"
    return ok(name, f"{row.status}, {row.total_items:,} items; platforms processed: {platforms}")


def _files(project: Project) -> Finding:
    """Compare what is stored with the manifests."""
    settings = project.settings
    store, wrong, files, size = open_store(settings), [], 0, 0
    for table, window in published_windows(store, settings.oss_prefix):
        manifest = load_manifest(store, settings.oss_prefix, table, window)
        for file in manifest.files if manifest else ():
            found = store.head(file.key)
            if found is None or (found.bytes, found.crc64 or file.crc64) != (file.bytes, file.crc64):
                wrong.append(f"{table} {file.name}")
            files, size = files + 1, size + file.bytes
    if wrong:
        return failure("files", f"not as their manifests say: {', '.join(wrong[:5])}", "Look for what changes objects")
    return ok("files", f"{files} files, {size:,} bytes: size and checksum are as their manifests say")
