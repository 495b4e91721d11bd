"""What runs need of the machine that computes them: tags for the launchers, from what the run's tables need.

A run has one queue and one container. So of several tables it takes the first queue, in the order of the tables, and of
each amount the largest: they are computed one after the other.
"""

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from dagster import DagsterInstance, DagsterRun
from dagster._core.launcher import LaunchRunContext

from aggregation_pipeline.errors import LaunchError
from aggregation_pipeline.settings.rules import CONTAINER_TAG, RULES_METADATA, RULES_TAG

QUEUE_TAG: Final = "dagster-celery/queue"
KUBERNETES_TAG: Final = "dagster-k8s/config"
# What DockerRunLauncher has no tag for, and ours reads: arguments of Docker's `containers.create`.
DOCKER_TAG: Final = "aggregation/container"
# Metadata of a table's asset, from which the launcher of a run knows what it needs, whoever has launched it.
NEEDS_METADATA: Final = "aggregation/needs"

# What one table needs: `queue`, and by `requests` and `limits` the amounts as texts.
Needs = Mapping[str, Any]
_DOCKER_AMOUNTS: Final = ("cpu_shares", "nano_cpus", "mem_reservation", "mem_limit")
_BYTES: Final = {
    "": 1,
    "k": 1000,
    "Ki": 1024,
    "M": 1000**2,
    "Mi": 1024**2,
    "G": 1000**3,
    "Gi": 1024**3,
    "T": 1000**4,
    "Ti": 1024**4,
}
_UNITS: Final = {name: Decimal(value) for name, value in _BYTES.items()} | {"m": Decimal("0.001")}


def tags_of(needs: Iterable[Needs]) -> dict[str, str]:
    """Return the tags of a run over tables with these needs."""
    all_needs = list(needs)
    tags = {}
    if queue := next((each["queue"] for each in all_needs if each.get("queue")), None):
        tags[QUEUE_TAG] = str(queue)
    resources = {kind: _largest([each.get(kind, {}) for each in all_needs]) for kind in ("requests", "limits")}
    resources = {kind: amounts for kind, amounts in resources.items() if amounts}
    if resources:
        tags[KUBERNETES_TAG] = json.dumps({"container_config": {"resources": resources}}, sort_keys=True)
        tags[DOCKER_TAG] = json.dumps(_docker(resources), sort_keys=True)
    return tags


def with_missing_tags(
    instance: DagsterInstance, context: LaunchRunContext, *, has_container: bool = False
) -> DagsterRun:
    """Give a run the tags that it lacks, and the rules by which it was planned; return it with all of them."""
    run, rules = context.dagster_run, _rules_of(context)
    planned = {RULES_TAG: rules} if rules else {}
    container = {CONTAINER_TAG: run.run_id} if has_container and rules else {}
    if tags := {**missing_tags(context), **planned, **container}:
        instance.add_run_tags(run.run_id, tags)
        run = run.with_tags({**run.tags, **tags})
    return run


def missing_tags(context: LaunchRunContext) -> dict[str, str]:
    """Return those of the tags that a run lacks: it was launched in the UI, by a backfill or by catch-up."""
    run, workspace = context.dagster_run, context.workspace
    graph = None if workspace is None else getattr(workspace, "asset_graph", None)
    if graph is None:
        return {}
    keys = run.asset_selection or graph.materializable_asset_keys
    nodes = [graph.get(key) for key in keys if graph.has(key)]
    if not run.asset_selection:
        nodes = [node for node in nodes if run.job_name in node.job_names]
    stored = sorted((str(node.key), node.metadata[NEEDS_METADATA]) for node in nodes if NEEDS_METADATA in node.metadata)
    wanted = tags_of(getattr(value, "value", value) for _, value in stored)
    return {name: value for name, value in wanted.items() if name not in run.tags}


def _rules_of(context: LaunchRunContext) -> str:
    """By which rules the code location plans runs, as it says itself; empty where it says nothing."""
    origin = context.dagster_run.remote_job_origin
    if context.workspace is None or origin is None:
        return ""
    repository = origin.repository_origin
    location = context.workspace.get_code_location(repository.code_location_origin.location_name)
    if not location.has_repository(repository.repository_name):
        return ""
    metadata = location.get_repository(repository.repository_name).repository_snap.metadata or {}
    return str(metadata[RULES_METADATA].value) if RULES_METADATA in metadata else ""


def docker_arguments(run: DagsterRun) -> dict[str, int]:
    """Return what the run's own container is created with.

    Raises:
        LaunchError: the tag says more than amounts. Whoever launches a run may give it any tag, and arguments such as
            `privileged` or `volumes` would give them the machine.
    """
    try:
        found = json.loads(run.tags.get(DOCKER_TAG, "{}"))
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(
        name in _DOCKER_AMOUNTS and type(value) is int and value > 0 for name, value in found.items()
    ):
        raise LaunchError(
            f"the tag {DOCKER_TAG} of run {run.run_id} is refused: it takes {', '.join(_DOCKER_AMOUNTS)} with whole"
            " numbers, as JSON, and nothing else. Launch the run without it: it follows from `resources` of the tables"
        )
    return found


def _largest(amounts: Iterable[Mapping[str, str]]) -> dict[str, str]:
    largest: dict[str, str] = {}
    for each in amounts:
        for name, quantity in each.items():
            if name not in largest or _amount(quantity) > _amount(largest[name]):
                largest[name] = quantity
    return dict(sorted(largest.items()))


def _docker(resources: Mapping[str, Mapping[str, str]]) -> dict[str, int]:
    requests, limits = resources.get("requests", {}), resources.get("limits", {})
    found = {
        "cpu_shares": 1024 * _amount(requests["cpu"]) if "cpu" in requests else None,
        "mem_reservation": _amount(requests["memory"]) if "memory" in requests else None,
        "nano_cpus": 10**9 * _amount(limits["cpu"]) if "cpu" in limits else None,
        "mem_limit": _amount(limits["memory"]) if "memory" in limits else None,
    }
    return {name: max(1, int(value)) for name, value in found.items() if value is not None}


def _amount(quantity: str) -> Decimal:
    digits = quantity.rstrip("mkKMGTi")
    return Decimal(digits) * _UNITS[quantity[len(digits) :]]
