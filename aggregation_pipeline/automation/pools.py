"""How many tables of a source are read at once: the limits of pools that aggregation.yaml sets."""

import logging
from collections.abc import Mapping

from dagster import DagsterError, DagsterInstance

from aggregation_pipeline.assets.tables import source_pool
from aggregation_pipeline.project import Project

_log = logging.getLogger(__name__)


def pool_limits(project: Project) -> Mapping[str, int]:
    """The limits of the pools of sources by name that have one."""
    return {
        source_pool(project.sources.database(name), name): source.pool_limit
        for name, source in project.sources.configured.items()
        if source.pool_limit is not None
    }


def set_pool_limits(instance: DagsterInstance, limits: Mapping[str, int]) -> None:
    """Give pools these limits. The process of a run does it before the first table waits for its slot.

    A pool keeps its last limit if that cannot be changed now; the next run tries again.
    """
    if not limits:
        return
    import sqlalchemy as sa

    storage = instance.event_log_storage
    try:
        known = {pool.name: pool.limit for pool in storage.get_pool_limits() if not pool.from_default}
        for pool, limit in limits.items():
            if known.get(pool) != limit:
                storage.set_concurrency_slots(pool, limit)
    except (DagsterError, sa.exc.SQLAlchemyError) as error:
        _log.warning("The limits of pools could not be set now (%s); the next run tries again", type(error).__name__)
