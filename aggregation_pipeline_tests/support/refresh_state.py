"""What the sensor of late data has stored, without a daemon."""

from collections.abc import Mapping

from dagster import DagsterInstance
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, SensorInstigatorData

from aggregation_pipeline.runs.refresh_cursor import REFRESH, Asked, RefreshCursor
from aggregation_pipeline_tests.support.runs import ORIGIN


def keep_refresh_cursor(instance: DagsterInstance, tables: Mapping[str, Asked]) -> None:
    """Store how each table was asked last, as a tick of the sensor does."""
    data = SensorInstigatorData(last_tick_timestamp=1.0, cursor=RefreshCursor(tables).write())
    origin = ORIGIN.get_instigator_origin(REFRESH)
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, data)
    known = [each.instigator_origin_id for each in instance.all_instigator_state()]
    (instance.update_instigator_state if origin.get_id() in known else instance.add_instigator_state)(state)
