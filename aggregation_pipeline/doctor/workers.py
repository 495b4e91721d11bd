"""RUNNER=celery: the broker, the workers that answer, the queues that they serve, and the rules that they follow."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from dagster import DagsterInstance

from aggregation_pipeline.assets.needs import queues_of
from aggregation_pipeline.assets.tables import source_pool
from aggregation_pipeline.automation.pools import pool_limits
from aggregation_pipeline.doctor.findings import Case, attempt
from aggregation_pipeline.errors import PipelineError
from aggregation_pipeline.health.broker import queues_of_waiting_runs, unserved
from aggregation_pipeline.health.dagster_storage import outage_of_storage
from aggregation_pipeline.instance.runners.broker import DEFAULT_QUEUE, Broker, broker_of
from aggregation_pipeline.instance.storage import PostgresStorage
from aggregation_pipeline.local.instance import open_storage
from aggregation_pipeline.project import Project
from aggregation_pipeline.settings.rules import as_text, differing, rules_of
from aggregation_pipeline.source.findings import Finding, failure, ok, warning

_ANSWER_SECONDS: Final = 3.0


def examine_workers(case: Case) -> Iterator[Finding]:
    """Look at Redis, and ask the workers. Where runs are computed by others there is nothing to look at."""
    settings = case.settings
    if settings.runner != "celery":
        yield ok("runner", f"RUNNER={settings.runner}: no workers take runs from a broker")
        return
    settings.require_runner()
    PostgresStorage.patience = 0.0
    with outage_of_storage(), open_storage(settings) as instance:
        broker = broker_of(instance, settings.require_broker_url(), settings.deployment_name)
        waiting, limit, pools = queues_of_waiting_runs(instance), _limit(instance), _pools(case.project, instance)
    yield attempt("broker", lambda: _answers(broker))
    yield _policy(broker)
    workers = broker.workers(_ANSWER_SECONDS)
    named = queues_of(table.entry for table in case.project.tables) if case.project else ()
    problem = unserved(workers, {DEFAULT_QUEUE, *named, *waiting})
    yield failure("queues", problem) if problem else ok("queues", "each queue that is needed has a worker")
    here = rules_of(settings)
    for name, said in sorted(workers.items()):
        yield _worker(name, said, here)
    slots = sum(int(said["slots"]) for said in workers.values())
    if limit is not None and slots > limit:
        yield warning(
            "slots",
            f"the workers have {slots} slots, and Dagster starts {limit} runs at once",
            "Raise max_concurrent_runs in dagster.yaml",
        )
    if pools and slots > sum(pools.values()):
        listed = ", ".join(f"{name} {size}" for name, size in pools.items())
        yield warning(
            "pools",
            f"the workers have {slots} slots, and the pools of the sources let fewer tables be read at once: {listed}."
            " Runs for which no slot is free wait in Dagster's queue",
            "Where the database bears more, raise the limit: pool_limit of the source in aggregation.yaml, or in the UI"
            " under Deployment, Concurrency",
        )


def _answers(broker: Broker) -> str:
    broker.ping()
    return f"Redis at {broker.place} answers"


def _policy(broker: Broker) -> Finding:
    try:
        policy = broker.eviction_policy()
    except PipelineError as error:
        return failure("eviction", str(error))
    if policy in {None, "noeviction"}:
        return ok("eviction", "Redis deletes no message when its memory is full")
    return warning(
        "eviction",
        f"Redis has maxmemory-policy {policy}, and deletes messages when its memory is full",
        "Set maxmemory-policy noeviction",
    )


def _worker(name: str, said: Mapping[str, Any], here: Mapping[str, str]) -> Finding:
    text = f"serves {', '.join(said['queues'])}; {len(said['at_work'])} of {said['slots']} slots at work"
    if others := differing(as_text(said["rules"]), here):
        return failure(
            name, f"{text}; {', '.join(others)} differ from here", "Give all machines the same, and restart the worker"
        )
    return ok(name, text)


def _pools(project: Project | None, instance: DagsterInstance) -> Mapping[str, int]:
    """How many tables of each source are read at once, by its pool; empty if one of them has no limit."""
    tables = [] if project is None else [table for table in project.tables if table.entry.issues is None]
    used = {source_pool(table.database, table.entry.source) for table in tables}
    known = {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits() if not pool.from_default}
    wanted = {} if project is None else pool_limits(project)
    default = instance.global_op_concurrency_default_limit
    found = {name: wanted.get(name) or known.get(name, default) for name in sorted(used)}
    return {} if None in found.values() else {name: size for name, size in found.items() if size is not None}


def _limit(instance: DagsterInstance) -> int | None:
    config = instance.get_concurrency_config().run_queue_config
    return None if config is None else config.max_concurrent_runs
