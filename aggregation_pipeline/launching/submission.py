"""Puts runs into Dagster's queue, as its daemon does: by `submit_asset_run`, which takes an id for the run.

It asks for no permission: the caller has to.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from dagster import DagsterError, DagsterInstance, DagsterRunStatus, PartitionsDefinition, RunRequest
from dagster._core.errors import DagsterUserCodeProcessError, DagsterUserCodeUnreachableError
from dagster._core.execution.submit_asset_runs import (
    RunRequestExecutionData,
    get_job_execution_data_from_run_request,
    submit_asset_run,
)
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext

from aggregation_pipeline.assets.keys import table_key
from aggregation_pipeline.errors import NotReadyError
from aggregation_pipeline.health.code_location import code_problem
from aggregation_pipeline.launching.plan import PlannedRun
from aggregation_pipeline.project import Project

_log: Final = logging.getLogger(__name__)
_NOT_LOADED: Final = (
    "aggregation.yaml has changed, and the code server has not loaded it. It does within seconds if it can; if it"
    " cannot, the log of the service says why, and Deployment > Code locations in the UI"
)


class Submission:
    """Runs, with what Dagster needs to create them. To prepare it asks the code server, and takes the most time."""

    def __init__(self, context: WorkspaceProcessContext, runs: Sequence[PlannedRun], tags: dict[str, str]) -> None:
        self._context = context
        self._runs = runs
        self._tags = tags
        # Dagster fills it, and looks into it when it creates a run. Without it, it would sleep for a minute where the
        # code server has other assets than the workspace says.
        self._prepared: dict[object, RunRequestExecutionData] = {}

    def prepare(self, project: Project | None) -> None:
        """Get the execution plans from the code server. With a `project`, it has to be the one that is loaded.

        Raises:
            NotReadyError: the code is not loaded, or another configuration is.
        """
        if problem := code_problem(self._context):
            raise NotReadyError(f"Nothing can be launched for the moment: {problem}")
        workspace = self._context.create_request_context()
        if not all(_is_loaded(workspace, run, project) for run in self._runs):
            raise NotReadyError(_NOT_LOADED)
        try:
            asyncio.run(self._prepare(workspace))
        except DagsterUserCodeUnreachableError as error:
            raise NotReadyError("The code server does not answer") from error
        except (DagsterUserCodeProcessError, DagsterError) as error:
            raise NotReadyError(_NOT_LOADED) from error

    async def _prepare(self, workspace: WorkspaceRequestContext) -> None:
        for run in self._runs:
            data = await get_job_execution_data_from_run_request(
                workspace.asset_graph,
                self._request(run),
                self._context.instance,
                workspace,
                self._prepared,  # type: ignore[arg-type]
            )
            snapshot = data.remote_execution_plan.execution_plan_snapshot
            steps = [step for step in snapshot.steps if step.key in snapshot.step_keys_to_execute]
            planned = {output.properties.asset_key for step in steps for output in step.outputs if output.properties}
            if not planned.issuperset(run.keys):
                raise NotReadyError(_NOT_LOADED)

    def submit(self) -> None:
        """Create the runs and put them into the queue, those that are not there yet."""
        asyncio.run(self._submit())

    async def _submit(self) -> None:
        workspace = self._context.create_request_context()
        instance: DagsterInstance = self._context.instance
        for ordinal, run in enumerate(self._runs):
            existing = instance.get_run_by_id(run.run_id)
            if existing is not None:
                # Of a request that was broken off. The function below would do the same, and warn.
                if existing.status == DagsterRunStatus.NOT_STARTED:
                    instance.submit_run(run.run_id, workspace)
                continue
            request = self._request(run)
            await submit_asset_run(
                run.run_id, request, ordinal, instance, self._context, workspace, self._prepared, {}, _log  # type: ignore[arg-type]
            )  # fmt: skip

    def _request(self, run: PlannedRun) -> RunRequest:
        return RunRequest(job_name=run.job, asset_selection=run.keys, tags={**run.tags, **self._tags})


def _is_loaded(workspace: WorkspaceRequestContext, run: PlannedRun, project: Project | None) -> bool:
    """Whether the code has the run's job and assets, and the partitions that they were planned for."""
    graph = workspace.asset_graph
    if not all(graph.has(key) and run.job in graph.get_materialization_job_names(key) for key in run.keys):
        return False
    if project is None:
        return True
    expected = {table.entry.name: table.partitions for table in project.tables}
    return all(_identity(expected[name]) == _identity(graph.get(table_key(name)).partitions_def) for name in run.tables)


def _identity(partitions: PartitionsDefinition[str] | None) -> str | None:
    return None if partitions is None else partitions.get_serializable_unique_identifier()
