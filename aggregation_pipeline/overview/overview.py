"""What pages ask for: the morning, one table, one batch."""

from collections.abc import Callable, Sequence
from uuid import UUID

from dagster import DagsterInstance

from aggregation_pipeline.batch_jobs.repository import OpenRepository
from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.overview.morning import Morning
from aggregation_pipeline.overview.one_batch import OneBatch
from aggregation_pipeline.overview.one_table import OneTable
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.base import Settings


class Overview:
    """Reads them. May be used from any thread and any event loop.

    `probes` are those of `/health`: what they have found is shown, and nobody waits for them here. `open_rows` is as
    `kept_repository` makes it.
    """

    def __init__(
        self,
        settings: Settings,
        instance: DagsterInstance,
        read_project: Callable[[], Project],
        open_rows: OpenRepository,
        probes: Sequence[Probe] = (),
    ) -> None:
        raise NotImplementedError

    async def morning(self) -> Morning:
        """Return it, a few seconds old where its parts can be read. It never raises, and waits a bounded time."""
        raise NotImplementedError

    def table(self, name: str, morning: Morning) -> OneTable | None:
        """Return one of the tables of this morning; None if it has none of that name. Blocks, for a bounded time."""
        raise NotImplementedError

    def batch(self, batch_id: UUID) -> OneBatch | None:
        """Return a batch; None if neither batch_jobs nor Dagster has one of that id. Blocks, for a bounded time.

        Raises:
            MirrorError, SettingsError: both batch_jobs and Dagster cannot be read.
        """
        raise NotImplementedError
