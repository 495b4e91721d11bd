"""What the endpoints ask for, in threads: nothing here waits in the event loop for PostgreSQL or the code server."""

from collections.abc import Callable, Collection
from functools import partial
from uuid import UUID

from dagster._core.workspace.context import WorkspaceProcessContext

from aggregation_pipeline.errors import NotReadyError
from aggregation_pipeline.launching.launcher import Launched, Launcher, outage_of_storage_as_not_ready
from aggregation_pipeline.launching.outcome import Outcome, is_over, newest_records, outcome_of
from aggregation_pipeline.launching.plan import LaunchRequest, Plan
from aggregation_pipeline.launching.requests import StoredRequest
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.aggregate.run_watch import RunWatch
from aggregation_pipeline.web.common.workers import Workers


class AggregateService:
    """Each method may raise NotReadyError; else they raise what `Launcher` does."""

    def __init__(self, settings: Settings, context: WorkspaceProcessContext, project: Callable[[], Project]) -> None:
        self._instance = context.instance
        self._secrets = settings.secrets
        self._launcher = Launcher(settings, context, project)
        what = "Dagster's PostgreSQL or the code server"
        # Launches wait for each other anyway.
        self._launching = Workers(what, threads=2, seconds=30, refuse=_not_ready)
        self._reading = Workers(what, threads=4, seconds=15, refuse=_not_ready)
        self._watch = RunWatch(self._ended)

    async def plan(self, request: LaunchRequest) -> Plan:
        """Return what a request comes to."""
        return await self._launching.run(partial(self._launcher.plan, request))

    async def launch(self, request: LaunchRequest, requested_by: str, key: str | None, seconds: int) -> Launched:
        """Launch a request, or find the one that has this key, and wait for its runs up to so many seconds."""
        work = partial(self._launcher.launch, request, requested_by=requested_by, key=key)
        launched = await self._launching.run(work)
        if seconds:
            await self._watch.until_over([run.run_id for run in launched.request.plan.runs], seconds)
        return launched

    async def find(self, request_id: UUID) -> StoredRequest | None:
        """Return a request of the last days."""
        return await self._reading.run(partial(self._launcher.find, request_id))

    async def outcome(self, stored: StoredRequest) -> Outcome:
        """Return what has become of a request that is known."""

        def ask() -> Outcome:
            with outage_of_storage_as_not_ready():
                return outcome_of(self._instance, stored, self._secrets)

        try:
            return await self._reading.run(ask)
        except NotReadyError as error:
            raise NotReadyError(f"Request {stored.id} is launched, and its state is not known: {error}") from error

    async def _ended(self, run_ids: Collection[str]) -> Collection[str]:
        def ask() -> Collection[str]:
            with outage_of_storage_as_not_ready():
                records = newest_records(self._instance, list(run_ids))
            return [run_id for run_id, record in records.items() if is_over(record)]

        return await self._reading.run(ask)


def _not_ready(why: str) -> NotReadyError:
    return NotReadyError(f"{why}. What was asked for may still be done: ask again with the same Idempotency-Key")
