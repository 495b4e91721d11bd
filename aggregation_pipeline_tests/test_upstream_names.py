"""Names of libraries that are not for everybody's use, and that we lean on: a new version that moves one fails here, by
its name.
"""

import inspect

from dagster import DagsterInstance, Executor, in_process_executor, multiprocess_executor
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.execution import execute_in_process
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin


def test_a_run_of_this_process_takes_the_origin_by_which_it_belongs_to_the_code_location():
    """running.of_code_location: without it Overview and the job's page do not show such a run, and nobody can execute
    it again.
    """
    assert "remote_job_origin" in inspect.signature(DagsterInstance.create_run_for_job).parameters
    assert "execute_instance.create_run_for_job(" in inspect.getsource(execute_in_process.core_execute_in_process)
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("aggregation_pipeline"), SINGLETON_REPOSITORY_NAME)
    assert origin.get_job_origin("aggregate").repository_origin.get_label() == "__repository__@aggregation_pipeline"


def test_an_executor_can_be_put_around_dagsters_own():
    """automation.executors.following: the row of a run is written in its own process, before the first step."""
    assert set(Executor.__abstractmethods__) == {"execute", "retries"}
    assert list(inspect.signature(Executor.execute).parameters) == ["self", "plan_context", "execution_plan"]
    for definition in (in_process_executor, multiprocess_executor):
        assert callable(definition.executor_creation_fn)
        assert definition.get_requirements({}) is not None
