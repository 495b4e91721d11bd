"""Windows that were missed while the service was down.

After a downtime Dagster launches only the latest tick that it missed; the partitions before it would stay empty for
ever.
"""

import functools
import operator
from collections.abc import Sequence

from dagster import AutomationConditionSensorDefinition, DefaultSensorStatus

from aggregation_pipeline.assets.configured_table import ConfiguredTable
from aggregation_pipeline.automation.jobs import table_selection
from aggregation_pipeline.config.durations import NONE

CATCH_UP = "catch_up"


def build_catch_up(tables: Sequence[ConfiguredTable]) -> list[AutomationConditionSensorDefinition]:
    """Build the sensor that fills them, running from the start; none where no table asks for it.

    A sensor of our own: the one that Dagster would make by itself does not run until somebody switches it on.
    """
    wanted = [
        table for table in tables if table.partitions is not None and table.crons and table.entry.catch_up != NONE
    ]
    if not wanted:
        return []
    return [
        AutomationConditionSensorDefinition(
            CATCH_UP,
            target=functools.reduce(operator.or_, map(table_selection, wanted)),
            default_status=DefaultSensorStatus.RUNNING,
            minimum_interval_seconds=30,
            description="Fills partitions that were missed while the service was down, as far back as catch_up says.",
        )
    ]
