"""The tables that a process of a run needs: only those are built there, however many are configured.

What a run executes is decided where it is launched, over all tables, and stored as its plan. So the plan says which
tables the run has, whatever launched it: a schedule, a backfill, the UI, a re-execution.
"""

from collections.abc import Sequence

from dagster import Definitions

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.instance.worker_run import WorkerRun


def tables_of_run(tables: Sequence[ConfiguredTable], worker: WorkerRun) -> list[ConfiguredTable] | None:
    """Return those of `tables` that a process of a run needs; None where that cannot be known.

    It cannot where the run has a step that is no table's: an asset or a check of a user's own may need any table. Nor
    where the run's configuration has a part for each step, or steps were selected by hand.
    """
    run, steps = worker.run, _steps(worker)
    if run.op_selection or run.resolved_op_selection or run.run_config.keys() & {"ops", "solids"}:
        return None
    needed = [table for table in tables if table.scope.op_name(table.entry.name) in steps]
    return needed if len(needed) == len(steps) > 0 else None


def executes_the_plan(definitions: Definitions, worker: WorkerRun) -> bool:
    """Whether these definitions have the run's job, with the steps that the run has where it was launched."""
    run = worker.run
    try:
        job = definitions.get_repository_def().get_maybe_subset_job_def(
            run.job_name,
            asset_selection=run.asset_selection,
            asset_check_selection=run.asset_check_selection,
        )
    except Exception:  # noqa: BLE001 - with all tables it does not occur, or Dagster reports it
        # Such as a sensor of a user's own that names an asset which is left out.
        return False
    return {node.name for node in job.nodes} == _steps(worker)


def _steps(worker: WorkerRun) -> frozenset[str]:
    """The steps whose tables the process needs: its own, where it has one. A selection needs all its assets."""
    has_selection = worker.run.asset_selection or worker.run.asset_check_selection
    return worker.plan if worker.step is None or has_selection else frozenset({worker.step})
