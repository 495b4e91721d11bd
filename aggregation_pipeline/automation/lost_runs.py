"""Starts runs again that failed before they began, because the code server went away at that moment.

Dagster's queue waits for a code server that does not answer. It does not help where a server that is shutting down
refuses a run, where a server dies while it starts one, or where the run's process dies while it loads the code. Such a
run has done nothing yet. It stays failed, so that its row says what happened, and another run is queued in its place.
The id of the new run is derived from the id of the old one, so a second attempt, in whatever state, makes the same run.

No postponed annotations here: Dagster reads the annotation of a sensor's context.
"""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from dagster import (
    DagsterError,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RepositoryDefinition,
    RunRecord,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
)

from aggregation_pipeline.automation import internal_sensors
from aggregation_pipeline.automation.changed_runs import runs_since_last_tick
from aggregation_pipeline.automation.lost_messages import LostMessages
from aggregation_pipeline.runs.logical_time import logical_time
from aggregation_pipeline.runs.tags import (
    ASSET_PARTITION_RANGE_START_TAG,
    AUTO_RETRY_RUN_ID_TAG,
    GRPC_INFO_TAG,
    LOGICAL_TIME_TAG,
    PARENT_RUN_ID_TAG,
    PARTITION_NAME_TAG,
    PUT_BACK_TAG,
    REPLACED_RUN_TAG,
    REQUEST_ID_TAG,
    ROOT_RUN_ID_TAG,
    RUN_FAILURE_REASON_TAG,
    RUN_KEY_TAG,
    WILL_RETRY_TAG,
)

SENSOR: Final = f"{internal_sensors.PREFIX}lost_runs"
# Tags of the failed run alone. By some of them a schedule or a sensor finds the run that it has launched, which has to
# be the first one.
_NOT_COPIED: Final = frozenset({RUN_KEY_TAG, GRPC_INFO_TAG, RUN_FAILURE_REASON_TAG, PUT_BACK_TAG})
# A request queues its runs within seconds after they are created.
_ABANDONED_AFTER: Final = timedelta(minutes=2)
_INTERVAL_SECONDS: Final = 10


def build_lost_runs(messages: LostMessages | None = None) -> SensorDefinition:
    """Build the sensor, running from the start. `messages` looks after runs that wait for workers, if any do."""

    def evaluate(context: SensorEvaluationContext) -> SkipReason:
        # Runs that were handled before are recognized by the id of their replacement.
        started = sum(
            _is_lost(record, context) and _try_to_replace(context, record.dagster_run)
            for record in runs_since_last_tick(context, [DagsterRunStatus.FAILURE])
        )
        submit_abandoned(context.instance)
        put_back = messages.put_back(context.instance, context.log) if messages else 0
        return SkipReason(
            f"{started} runs that failed before they began are started once more"
            + (f"; {put_back} that were in no queue are put back" if put_back else "")
        )

    return SensorDefinition(
        name=SENSOR,
        evaluation_fn=evaluate,
        minimum_interval_seconds=_INTERVAL_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=internal_sensors.description(
            "starts a run once more that failed before it began, because the code server went away."
        ),
        tags=internal_sensors.TAGS,
    )


def submit_abandoned(instance: DagsterInstance) -> None:
    """Queue the runs of requests over HTTP that were created and not queued, because the web process died in between.

    Nobody else would: the schedule of their tables would wait for them for ever.
    """
    abandoned = RunsFilter(statuses=[DagsterRunStatus.NOT_STARTED], created_before=datetime.now(UTC) - _ABANDONED_AFTER)
    for run in instance.get_runs(abandoned):
        if REQUEST_ID_TAG in run.tags:
            # The queued coordinator does not use the workspace.
            instance.submit_run(run.run_id, None)  # type: ignore[arg-type]


def _try_to_replace(context: SensorEvaluationContext, lost: DagsterRun) -> bool:
    repository = context.repository_def
    if repository is None:  # Dagster gives it to every sensor of a code location.
        return False
    problem: Exception | None = None
    run = None
    try:
        run = replace_run(context.instance, lost, repository)
    except (DagsterError, LookupError, ValueError) as error:
        # Its assets may not be in the configuration any more.
        problem = error
    if problem is not None:
        context.log.error("Run %s failed before it began, and cannot be started once more: %s", lost.run_id, problem)
    if run is not None:
        context.log.warning("Run %s failed before it began; it is started once more as %s", lost.run_id, run.run_id)
    return run is not None


def replace_run(instance: DagsterInstance, lost: DagsterRun, repository: RepositoryDefinition) -> DagsterRun | None:
    """Queue another run in the place of one that never began; None where that is done already."""
    run_id = str(uuid5(NAMESPACE_URL, f"again:{lost.run_id}"))
    run = instance.get_run_by_id(run_id) or _copy(instance, lost, run_id, repository)
    if run.status != DagsterRunStatus.NOT_STARTED:
        return None
    # The queued coordinator does not use the workspace.
    run = instance.submit_run(run_id, None)  # type: ignore[arg-type]
    # The tags of Dagster's own retries: this failure is not final. They come last, because a run that has them is not
    # looked at again.
    instance.add_run_tags(lost.run_id, {WILL_RETRY_TAG: "true", AUTO_RETRY_RUN_ID_TAG: run_id})
    return run


def _copy(instance: DagsterInstance, lost: DagsterRun, run_id: str, repository: RepositoryDefinition) -> DagsterRun:
    root = lost.root_run_id or lost.run_id
    tags = {name: value for name, value in lost.tags.items() if name not in _NOT_COPIED}
    if not {PARTITION_NAME_TAG, ASSET_PARTITION_RANGE_START_TAG} & tags.keys():
        tags[LOGICAL_TIME_TAG] = logical_time(lost, instance).isoformat()
    return instance.create_run(
        job_name=lost.job_name,
        run_id=run_id,
        run_config=lost.run_config,
        status=DagsterRunStatus.NOT_STARTED,
        tags={
            **tags,
            REPLACED_RUN_TAG: lost.run_id,
            PARENT_RUN_ID_TAG: lost.run_id,
            ROOT_RUN_ID_TAG: root,
        },
        root_run_id=root,
        parent_run_id=lost.run_id,
        step_keys_to_execute=lost.step_keys_to_execute,
        execution_plan_snapshot=instance.get_execution_plan_snapshot(lost.execution_plan_snapshot_id)
        if lost.execution_plan_snapshot_id
        else None,
        job_snapshot=instance.get_job_snapshot(lost.job_snapshot_id) if lost.job_snapshot_id else None,
        parent_job_snapshot=None,
        asset_selection=lost.asset_selection,
        asset_check_selection=lost.asset_check_selection,
        resolved_op_selection=lost.resolved_op_selection,
        op_selection=lost.op_selection,
        remote_job_origin=lost.remote_job_origin,
        job_code_origin=lost.job_code_origin,
        asset_graph=repository.asset_graph,
    )


def _is_lost(record: RunRecord, context: SensorEvaluationContext) -> bool:
    """Whether the run came from the queue of this code location and never began. It is replaced once, not twice."""
    from aggregation_pipeline.runs.heartbeat import in_own_process

    run, ours = record.dagster_run, context.code_location_origin
    origin = run.remote_job_origin
    return (
        record.start_time is None
        and origin is not None
        and (ours is None or origin.location_name == ours.location_name)
        and not in_own_process(run)
        and REPLACED_RUN_TAG not in run.tags
        and WILL_RETRY_TAG not in run.tags
    )
