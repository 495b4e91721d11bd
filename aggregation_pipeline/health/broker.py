"""Whether the runs of RUNNER=celery are taken: Redis answers, and each queue that is needed has a worker."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from aggregation_pipeline.health.dagster_storage import outage_of_storage
from aggregation_pipeline.health.probe import Check
from aggregation_pipeline.instance.runners.broker import DEFAULT_QUEUE, QUEUE_TAG, broker_of
from aggregation_pipeline.settings.base import Settings


def broker_check(settings: Settings, instance: DagsterInstance, queues_of_tables: Callable[[], Iterable[str]]) -> Check:
    """Return the check. It raises BrokerError. `queues_of_tables` returns the queues that entries name now."""
    url = settings.require_broker_url()

    def check() -> str | None:
        queues = {DEFAULT_QUEUE, *queues_of_tables(), *queues_of_waiting_runs(instance)}
        with outage_of_storage():
            broker = broker_of(instance, url, settings.deployment_name)
        return unserved(broker.workers(), queues)

    return check


def queues_of_waiting_runs(instance: DagsterInstance) -> set[str]:
    """The queues in which runs wait for a worker at this moment."""
    with outage_of_storage():
        waiting = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTING]))
    return {run.tags.get(QUEUE_TAG) or DEFAULT_QUEUE for run in waiting}


def unserved(workers: Mapping[str, Mapping[str, Any]], queues: Iterable[str]) -> str | None:
    """Return which of the queues no worker serves; None if all have one. `workers` are as they describe themselves."""
    if not workers:
        return "no worker answers: runs wait. Start `aggregation-pipeline worker`"
    served = {queue for said in workers.values() for queue in said["queues"]}
    missing = sorted(set(queues) - served)
    if not missing:
        return None
    listed = ",".join(missing)
    return f"no worker serves {listed}: runs for it wait. Start `aggregation-pipeline worker --queues {listed}`"
