"""`plan` names what a run needs beside the source database and would not find."""

import json

import pytest

from aggregation_pipeline_tests.export.planned_shop import plan
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.servers.oss.server import OssServer

DOWN = "postgresql://nobody@127.0.0.1:1/none"


@pytest.mark.parametrize(
    ("changes", "name", "words"),
    [
        ({"DAGSTER_PG_URL": DOWN}, "DAGSTER_PG_URL", "Dagster's PostgreSQL does not answer"),
        ({"BATCH_JOBS_URL": DOWN}, "batch_jobs", "batch_jobs cannot be reached"),
        # It is asked again and again, for four seconds.
        pytest.param(
            {"SUPABASE_URL": "http://127.0.0.1:1", "SUPABASE_KEY": "key"},
            "batch_jobs",
            "batch_jobs cannot be reached by",
            marks=pytest.mark.slow,
        ),
        ({"STORAGE_DIR": "{folder}/a file"}, "files", "is no folder"),
        ({"TEMP_DIR": "{folder}/a file/temp"}, "TEMP_DIR", "is not a folder"),
        ({"DAGSTER_HOME": "{folder}/nowhere"}, "dagster.yaml", "is not the absolute path of a folder"),
    ],
)
def test_what_a_run_needs_and_does_not_find_fails_the_plan_and_not_its_tables(
    mariadb_shop: Deployment, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], name: str, words: str
):
    (mariadb_shop.folder / "a file").write_text("")
    for variable, value in changes.items():
        monkeypatch.setenv(variable, value.format(folder=mariadb_shop.folder))
    result = plan("--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    problems = {need["name"]: need["problem"] for need in document["needs"] if need["problem"]}
    assert list(problems) in ([name], [name, "batch_jobs"]), problems  # where batch_jobs is in Dagster's PostgreSQL
    assert words in problems[name]
    shown = plan()
    assert (shown.exit_code, f"missing  {name}: " in shown.stdout) == (1, True)


@pytest.mark.parametrize("cron", ["0 0 0 31 2 *", "61 * * * *", "every day"])
def test_a_cron_that_the_services_refuse_fails_the_plan(
    mariadb_shop: Deployment, monkeypatch: pytest.MonkeyPatch, cron: str
):
    monkeypatch.setenv("CRON_SCHEDULE", cron)
    result = plan()
    assert result.exit_code == 1
    assert "CRON_SCHEDULE" in result.output


def test_a_bucket_without_a_rule_for_abandoned_parts_is_a_warning(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    with OssServer.start() as server:
        options = server.options()
        monkeypatch.setenv("OSS_BUCKET", options.bucket)
        monkeypatch.setenv("OSS_REGION", options.region)
        monkeypatch.setenv("OSS_ENDPOINT", options.endpoint)
        monkeypatch.setenv("OSS_ACCESS_KEY_ID", options.access_key_id)
        monkeypatch.setenv("OSS_ACCESS_KEY_SECRET", options.access_key_secret)
        document = json.loads(plan("--json").stdout)
        assert "no lifecycle rule that removes abandoned parts" in document["store_warning"]
        assert document["ok"]
