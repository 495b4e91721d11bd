"""The sensor that fills windows which were missed while the service was down.

After a downtime Dagster launches only the latest tick that it missed; the partitions before it would stay empty.
"""

from collections.abc import Sequence

from dagster import AutomationConditionSensorDefinition, DefaultSensorStatus

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.automation.jobs import selection_of
from aggregation_pipeline.config.durations import NONE

CATCH_UP = "catch_up"


def build_catch_up(tables: Sequence[ConfiguredTable]) -> list[AutomationConditionSensorDefinition]:
    """Build the sensor, running from the start; none where no table has `catch_up`.

    Dagster would make such a sensor by itself, but that one is off until somebody switches it on.
    """
    caught_up = [
        table for table in tables if table.partitions is not None and table.crons and table.entry.catch_up != NONE
    ]
    if not caught_up:
        return []
    return [
        AutomationConditionSensorDefinition(
            caught_up[0].scope.named(CATCH_UP),
            target=selection_of(caught_up),
            default_status=DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=30,
            description="Fills partitions that were missed while the service was down, as far back as catch_up says.",
        )
    ]
