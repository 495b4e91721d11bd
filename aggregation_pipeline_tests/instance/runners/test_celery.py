"""RUNNER=celery: which queues a run may choose by its tag."""

from typing import TYPE_CHECKING

import pytest
from dagster import job, op
from dagster._core.launcher import LaunchRunContext

from aggregation_pipeline.errors import LaunchError
from aggregation_pipeline.instance.run_needs import QUEUE_TAG
from aggregation_pipeline.instance.runners.celery import CeleryLauncher
from aggregation_pipeline_tests.support.runs import open_instance

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer


@op
def nothing() -> None:
    """Do nothing."""


@job
def one() -> None:
    """Run it."""
    nothing()


def test_a_run_is_sent_to_nothing_that_is_no_queue(postgres: "PostgresServer"):
    url = postgres.fresh_database()
    launcher = CeleryLauncher("redis://127.0.0.1:1/0", "shop", url)
    with open_instance(url) as instance:
        launcher.register_instance(instance)
        for name in ("unacked", "unacked_index", "_kombu.binding.default", "a b"):
            run = instance.create_run_for_job(one, tags={QUEUE_TAG: name})
            with pytest.raises(LaunchError, match=r"the tag dagster-celery/queue of run .* is refused: the name of a"):
                launcher.launch_run(LaunchRunContext(run, None))
