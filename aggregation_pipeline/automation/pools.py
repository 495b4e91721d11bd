"""How many tables of a source are read at once: the limits of pools that aggregation.yaml sets."""

import contextlib
import json
import logging
from collections.abc import Mapping
from typing import Final

from dagster import DagsterError, DagsterInstance

from aggregation_pipeline.assets.tables import source_pool
from aggregation_pipeline.project import Project

_log = logging.getLogger(__name__)
_REMEMBERED: Final = "aggregation_pool_limits:"


def pool_limits(project: Project) -> Mapping[str, int]:
    """The limits of the pools of sources by name that have one."""
    return {
        source_pool(project.sources.database(name), name): source.pool_limit
        for name, source in project.sources.configured.items()
        if source.pool_limit is not None
    }


def set_pool_limits(instance: DagsterInstance, limits: Mapping[str, int], deployment: str) -> None:
    """Give pools these limits. The process of a run does it before the first table waits for its slot.

    What was set is remembered, so that a pool whose limit is in the file no more has Dagster's default again; one that
    somebody has changed since then stays. If that cannot be done now, the next run tries again.

    Args:
        limits: by pool.
        deployment: whose limits they are; others may use the same Dagster storage.
    """
    import sqlalchemy as sa

    storage, key = instance.event_log_storage, f"{_REMEMBERED}{deployment}"
    try:
        before = _read(instance.run_storage.get_cursor_values({key}).get(key))
        if not limits and not before:
            return
        known = {pool.name: pool.limit for pool in storage.get_pool_limits() if not pool.from_default}
        for pool, limit in limits.items():
            if known.get(pool) != limit:
                storage.set_concurrency_slots(pool, limit)
        for pool, limit in before.items():
            if pool not in limits and known.get(pool) == limit:
                storage.delete_concurrency_limit(pool)
                storage.initialize_concurrency_limit_to_default(pool)
        if before != limits:
            instance.run_storage.set_cursor_values({key: json.dumps(dict(limits))})
    except (DagsterError, sa.exc.SQLAlchemyError) as error:
        _log.warning("The limits of pools could not be set now (%s); the next run tries again", type(error).__name__)


def _read(text: str | None) -> Mapping[str, int]:
    """The limits that were set last; none where nothing is remembered."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        return {str(pool): int(limit) for pool, limit in json.loads(text or "{}").items()}
    return {}
