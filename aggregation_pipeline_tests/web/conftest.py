"""The endpoints of `/aggregate`, and one shop for those that read: it runs four times, which takes seconds."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import MySQLServer, PostgresServer
    from aggregation_pipeline_tests.web.aggregate.site import Site
    from aggregation_pipeline_tests.web.shop import Shop


@pytest.fixture(scope="module")
def served(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Site]":
    from aggregation_pipeline.web.aggregate.routes import aggregate_router
    from aggregation_pipeline.web.api import build_api
    from aggregation_pipeline.web.gate.hosts import OwnHosts
    from aggregation_pipeline_tests.support.code_location import loaded
    from aggregation_pipeline_tests.web.aggregate.site import CONFIG, Site
    from aggregation_pipeline_tests.web.served import free_port, serving_app

    port = free_port()
    with loaded(tmp_path_factory.mktemp("aggregate"), postgres.fresh_database(), CONFIG) as place:
        router = aggregate_router(place.settings, place.context, place.project)
        site = Site(place, build_api([], OwnHosts.of("127.0.0.1", port), [router]), port)
        with serving_app(site, port):
            yield site


@pytest.fixture
def site(served: "Site") -> "Iterator[Site]":
    """Begin without runs."""
    for run in served.loaded.instance.get_runs():
        served.loaded.instance.delete_run(run.run_id)
    before = served.principal
    yield served
    served.principal = before


@pytest.fixture(scope="package")
def shop(
    mariadb: "MySQLServer", postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Shop]":
    from aggregation_pipeline_tests.web.shop import open_shop

    with open_shop(mariadb, postgres.fresh_database(), tmp_path_factory.mktemp("shop")) as opened:
        yield opened
