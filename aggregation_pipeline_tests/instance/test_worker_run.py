"""How a process finds out that it works for a run; live/test_run_workers.py does it with the processes of real runs."""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dagster import DagsterInstance, DagsterRun, GraphDefinition, OpExecutionContext, op
from dagster._cli import api
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.events import DagsterEvent
from dagster._core.execution.context_creation_job import create_context_free_log_manager
from dagster._core.executor import multiprocess
from dagster._core.instance import InstanceRef
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from dagster._grpc import impl

from aggregation_pipeline.instance import worker_run
from aggregation_pipeline.instance.storage import PostgresStorage

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

STARTED = f"Started process for run (pid: {os.getpid()})."


@op
def first(context: OpExecutionContext) -> None:
    """Do nothing."""


@op
def second(context: OpExecutionContext) -> None:
    """Do nothing."""


CODE = JobPythonOrigin("both", RepositoryPythonOrigin("python", ModuleCodePointer("their.module", "defs", None)))
JOB = GraphDefinition("both", node_defs=[first, second]).to_job()


@pytest.fixture(scope="module")
def instance(postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    storage: dict[str, Any] = {"module": PostgresStorage.__module__, "class": PostgresStorage.__name__}
    config = {"postgres_url": postgres.fresh_database()}
    folder: Path = tmp_path_factory.mktemp("instance")
    ref = InstanceRef.from_dir(
        str(folder), overrides={"storage": {"custom": storage | {"config": config}}, "telemetry": {"enabled": False}}
    )
    with DagsterInstance.from_ref(ref) as found:
        yield found


@pytest.fixture
def run(instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> DagsterRun:
    """A run; nothing has been said of it in this process."""
    monkeypatch.setattr(worker_run, "_starts", [])
    return instance.create_run_for_job(JOB, job_code_origin=CODE)


def test_a_process_that_says_it_starts_a_run_works_for_it(instance: DagsterInstance, run: DagsterRun):
    instance.report_engine_event(STARTED, run)
    worker = worker_run.run_of_this_process()
    assert worker is not None
    assert (worker.run, worker.plan, worker.step) == (run, frozenset({"first", "second"}), None)
    assert worker.module == "their.module"
    assert worker_run.run_of_this_process() is worker


def test_a_process_that_says_it_starts_a_step_works_for_that_step(instance: DagsterInstance, run: DagsterRun):
    log = create_context_free_log_manager(instance, run)
    DagsterEvent.step_worker_started(log, run.job_name, "Executing step", {}, "second")
    worker = worker_run.run_of_this_process()
    assert worker is not None
    assert (worker.run.run_id, worker.step) == (run.run_id, "second")


@pytest.mark.parametrize("message", ["Started process for run (pid: 1).", "Executing steps in process (pid: {pid})"])
def test_an_event_about_something_else_says_nothing(message: str, instance: DagsterInstance, run: DagsterRun):
    instance.report_engine_event(message.format(pid=os.getpid()), run)
    assert worker_run.run_of_this_process() is None


def test_a_process_of_two_runs_works_for_neither(instance: DagsterInstance, run: DagsterRun):
    for each in (run, instance.create_run_for_job(JOB, job_code_origin=CODE)):
        instance.report_engine_event(STARTED, each)
    assert worker_run.run_of_this_process() is None


def test_dagster_says_so_in_these_words_before_it_loads_the_code():
    """instance: with other words every process of a run builds all tables again, which is slow and not wrong."""
    sources = [inspect.getsource(each) for each in (impl._run_in_subprocess, api._execute_run_command_body)]
    loads = ("core_execute_run(recon_pipeline", "core_execute_run(\n")
    for source, load in zip(sources, loads, strict=True):
        assert source.index(worker_run.STARTED[0]) < source.index(load)
    assert worker_run.STARTED[1] in inspect.getsource(api._resume_run_command_body)
    for step in (multiprocess.MultiprocessExecutorChildProcessCommand.execute, api._execute_step_command_body):
        source = inspect.getsource(step)
        assert source.index("step_worker_started(") < source.index("create_execution_plan(")
