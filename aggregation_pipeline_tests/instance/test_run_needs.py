"""What runs need of their machine: the tags of launchers, of one table and of several."""

import json

from dagster import AssetKey, DagsterRun

from aggregation_pipeline.assets.needs import needs_of
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.instance.run_needs import DOCKER_TAG, KUBERNETES_TAG, QUEUE_TAG, docker_arguments, tags_of


def entry(**keys: object) -> TableEntry:
    return TableEntry.model_validate({"name": "t", **keys})


def resources(tags: dict[str, str]) -> object:
    return json.loads(tags[KUBERNETES_TAG])["container_config"]["resources"]


def test_a_table_that_asks_for_nothing_gives_its_run_no_tag():
    assert tags_of([needs_of(entry()), {}]) == {}


def test_a_queue_is_the_tag_by_which_celery_sends_the_run():
    assert tags_of([needs_of(entry(queue="heavy"))]) == {QUEUE_TAG: "heavy"}


def test_resources_are_the_containers_of_kubernetes_and_docker():
    tags = tags_of([needs_of(entry(resources={"cpu": "500m", "memory": "1Gi", "limits": {"cpu": "2"}}))])
    assert resources(tags) == {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "1Gi"}}
    run = DagsterRun(job_name="aggregate", tags=tags, asset_selection={AssetKey("t")})
    assert docker_arguments(run) == {
        "cpu_shares": 512,
        "mem_limit": 1 << 30,
        "mem_reservation": 1 << 30,
        "nano_cpus": 2_000_000_000,
    }
    assert docker_arguments(DagsterRun(job_name="aggregate")) == {}


def test_a_run_of_several_tables_takes_the_largest_of_each():
    small, large = {"cpu": "900m", "memory": "1500M"}, {"cpu": "1", "memory": "1Gi", "limits": {"memory": "3Gi"}}
    tags = tags_of([needs_of(entry(resources=small)), {}, needs_of(entry(resources=large))])
    assert resources(tags) == {"requests": {"cpu": "1", "memory": "1500M"}, "limits": {"memory": "3Gi"}}
    assert set(tags) == {KUBERNETES_TAG, DOCKER_TAG}
