"""Dagster: its folder and storage, the daemon, schedules and sensors, and runs that nobody works on any more."""

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from dagster import DagsterInstance, DagsterRunStatus, DefaultSensorStatus, RunsFilter
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, InstigatorType, SensorInstigatorData

from aggregation_pipeline.automation.job_groups import groups_of
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.doctor.findings import Case, attempt
from aggregation_pipeline.doctor.refresh import refresh_findings
from aggregation_pipeline.errors import PipelineError, this_program
from aggregation_pipeline.health.daemon import daemon_problem
from aggregation_pipeline.health.dagster_storage import outage_of_storage
from aggregation_pipeline.instance.schema import count_beginnings
from aggregation_pipeline.local.instance import instance_folder, open_instance
from aggregation_pipeline.local.preflight import read_dagster_yaml, validate_definitions
from aggregation_pipeline.overview.schedules import next_ticks
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.project import Project
from aggregation_pipeline.runs.heartbeat import orphaned_runs
from aggregation_pipeline.services.running_versions import installed_versions, running_services
from aggregation_pipeline.source.findings import Finding, failure, ok, warning
from aggregation_pipeline.upgrade.dagster_storage import NEWER_DAGSTER, is_known

# These are released together, under one version.
_TOGETHER: Final = ("dagster", "dagster-webserver", "dagster-graphql")
_MOST_RUNS: Final = 200
_SHOWN: Final = 5


def examine_dagster(case: Case) -> Iterator[Finding]:
    """Look at what Dagster stores. Its tables are not made here."""
    yield _versions()
    home, project = attempt("home", _home), case.project
    yield home
    if project is None or home.status == "failure":
        return
    yield _running()
    yield attempt("definitions", lambda: _definitions(project))
    if not _has_tables(case.settings.require_dagster_url()):
        yield warning("storage", "Dagster's tables are not there yet", "The first run or `serve` makes them")
        return
    with outage_of_storage(), open_instance(project) as instance:
        yield _storage(instance)
        yield _daemon(instance)
        yield from _schedules(project, instance)
        yield _sensors(project, instance, fix=case.fix)
        yield from refresh_findings(project, instance, datetime.now(UTC))
        yield _orphans(instance, case.settings.require_dagster_url())


def _versions() -> Finding:
    found = {}
    for name in _TOGETHER:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    if len(set(found.values())) == 1:
        return ok("versions", f"Dagster {found['dagster']}")
    listed = ", ".join(f"{name} {number}" for name, number in found.items())
    return failure(
        "versions", f"they do not belong together: {listed}", "Install requirements/runtime.lock, which has one of each"
    )


def _home() -> str:
    folder = instance_folder()
    read_dagster_yaml()
    return f"{folder} has a dagster.yaml that can be read"


def _running() -> Finding:
    """Whether the services of this machine run what is installed, and so the same."""
    installed, services = installed_versions(), running_services(instance_folder())
    if not services:
        return ok("services", "none of them runs on this machine with this DAGSTER_HOME")
    others = [
        f"the {each.name} (process {each.pid}) runs {package} {number}, and installed is {installed.get(package)}"
        for each in services
        for package, number in each.versions.items()
        if installed.get(package) != number
    ]
    if others:
        return failure(
            "services", "; ".join(others), "Stop `serve`, run `aggregation-pipeline upgrade`, and start it again"
        )
    names = ", ".join(dict.fromkeys(each.name for each in services))
    return ok("services", f"{names}: of the version that is installed, {this_program()}")


def _definitions(project: Project) -> str:
    validate_definitions(project)
    return "Dagster's services would load them"


def _has_tables(url: str) -> bool:
    with outage_of_storage(), create_engine(url, application_name="aggregation check").connect() as connection:
        return count_beginnings(connection) > 0


def _storage(instance: DagsterInstance) -> Finding:
    stored, newest = instance.run_storage.alembic_version() or (None, None)
    if stored == newest:
        return ok("storage", f"its tables are of this version ({stored})")
    if stored is not None and not is_known(stored):
        return failure("storage", f"its tables are of version {stored}, which {NEWER_DAGSTER}")
    return failure(
        "storage",
        f"its tables are of version {stored}, and this Dagster needs {newest}",
        "Stop the services, back up the database, and run: aggregation-pipeline upgrade",
    )


def _daemon(instance: DagsterInstance) -> Finding:
    problem = daemon_problem(instance)
    if problem is None:
        return ok("daemon", "all of its threads have told that they live")
    return failure("daemon", f"{problem}: no schedule and no queued run starts", "Start it: aggregation-pipeline serve")


def _schedules(project: Project, instance: DagsterInstance) -> Iterator[Finding]:
    for tick in next_ticks(groups_of(project), instance, datetime.now(UTC)):
        if tick.stopped:
            yield failure(
                tick.schedule,
                "somebody has stopped it, so its tables do not run",
                "Start it in the UI: Automation. `--fix` leaves it stopped: it may have been stopped for a reason",
            )
        else:
            yield ok(tick.schedule, f"next at {tick.at:%Y-%m-%d %H:%M} {tick.timezone}")


def _sensors(project: Project, instance: DagsterInstance, *, fix: bool) -> Finding:
    sensors = build_definitions(project).get_repository_def().sensor_defs
    wanted = {sensor.name for sensor in sensors if sensor.default_status == DefaultSensorStatus.RUNNING}
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    stopped = [
        state for state in states if state.instigator_name in wanted and state.status == InstigatorStatus.STOPPED
    ]
    if not stopped:
        return ok("sensors", f"none of {len(wanted)} has been stopped")
    names = ", ".join(sorted(state.instigator_name for state in stopped))
    if not fix:
        return failure("sensors", f"somebody has stopped {names}", "Start them in the UI, or with `check --fix`")
    for state in stopped:
        _start(instance, state)
    return ok("sensors", f"had been stopped, now started: {names}")


def _start(instance: DagsterInstance, state: InstigatorState) -> None:
    """Start a sensor as the button in the UI does. Its cursor stays, so nothing is left out."""
    data = state.instigator_data
    if isinstance(data, SensorInstigatorData):
        state = state.with_data(data.with_sensor_start_timestamp(datetime.now(UTC).timestamp()))
    instance.update_instigator_state(state.with_status(InstigatorStatus.RUNNING))


def _orphans(instance: DagsterInstance, url: str) -> Finding:
    started = RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])
    try:
        gone = orphaned_runs(instance.get_run_records(started, limit=_MOST_RUNS), url)
    except PipelineError as error:
        return failure("runs", str(error))
    if not gone:
        return ok("runs", "each run that is at work has its process")
    return warning(
        "runs",
        f"{len(gone)} runs have lost their process: {', '.join(gone[:_SHOWN])}",
        "The daemon marks them as failed within a minute: see that it runs",
    )
