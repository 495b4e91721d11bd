"""What Dagster has stored of a deployment's schedules and sensors."""

from dagster._core.scheduler.instigation import InstigatorState, InstigatorType, TickStatus

from aggregation_pipeline.automation.catch_up import CATCH_UP
from aggregation_pipeline_tests.support.dev import Dev


def state(dev: Dev, kind: InstigatorType, name: str) -> InstigatorState | None:
    """Return what Dagster has stored of a schedule or sensor."""
    return next(
        (one for one in dev.instance.all_instigator_state(instigator_type=kind) if one.instigator_name == name), None
    )


def looks(dev: Dev) -> int:
    """Return how often the sensor catch_up has looked for missed windows."""
    return ticks_of(dev, CATCH_UP)


def ticks_of(dev: Dev, sensor: str) -> int:
    """Return how many ticks of a sensor have ended well."""
    found = state(dev, InstigatorType.SENSOR, sensor)
    ticks = dev.instance.get_ticks(found.instigator_origin_id, found.selector_id) if found else []
    return sum(tick.status in (TickStatus.SUCCESS, TickStatus.SKIPPED) for tick in ticks)
