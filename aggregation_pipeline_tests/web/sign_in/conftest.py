"""One service with accounts for each module of tests."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.web.served import access_settings, serving
from aggregation_pipeline_tests.web.sign_in.people import People, empty_workspace, people_of

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer


@pytest.fixture(scope="module")
def people(postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    folder = tmp_path_factory.mktemp("sign_in")
    with open_instance(postgres.fresh_database()) as instance:
        settings = access_settings(instance, folder)
        with (
            serving(instance, empty_workspace(folder), settings=settings, judge_seconds=0.5) as port,
            people_of(port, instance, settings) as found,
        ):
            yield found


@pytest.fixture(scope="package", autouse=True)
def cheap() -> Iterator[None]:
    from aggregation_pipeline_tests.support.cheap_passwords import cheap_passwords

    with cheap_passwords():
        yield
