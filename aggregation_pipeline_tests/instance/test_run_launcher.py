"""RUNNER chooses the launcher that dagster.yaml names, and an old dagster.yaml is refused rather than obeyed."""

from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance, DefaultRunLauncher

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.instance.run_launcher import Instance
from aggregation_pipeline_tests.support.deployment import use_environment
from aggregation_pipeline_tests.support.paths import REPOSITORY

CELERY = {
    "RUNNER": "celery",
    "CELERY_BROKER_URL": "redis://:hush@127.0.0.1:1/0",
    "STORAGE_SHARED": "true",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dagster_database: str):
    from aggregation_pipeline.instance import run_launcher

    def made(*without: str, **variables: str) -> str:
        config = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text(encoding="utf-8"))
        for section in without:
            del config[section]
        (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
        use_environment(monkeypatch, {"DAGSTER_HOME": str(tmp_path), "DAGSTER_PG_URL": dagster_database, **variables})
        run_launcher._waits_in_broker.cache_clear()
        return str(tmp_path)

    yield made
    run_launcher._waits_in_broker.cache_clear()


def test_runs_are_local_by_default_and_have_to_start_in_time(home):
    with DagsterInstance.from_config(home()) as instance:
        assert isinstance(instance, Instance)
        assert isinstance(instance.run_launcher, DefaultRunLauncher)
        assert instance.run_monitoring_start_timeout_seconds == 180


def test_with_celery_they_are_sent_to_workers_and_may_wait(home):
    from aggregation_pipeline.instance.runners.celery import CeleryLauncher

    with (
        DagsterInstance.from_config(home(**CELERY)) as instance,
        DagsterInstance.from_ref(instance.get_ref()) as again,
    ):
        assert isinstance(again.run_launcher, CeleryLauncher)
        assert again.run_monitoring_start_timeout_seconds > 10**6
        assert isinstance(again, Instance)
        assert again.start_timeout_of_one_process == 180
        # The password is in no text that Dagster stores or shows.
        assert "hush" not in str(again.get_ref().to_dict())


def test_a_dagster_yaml_of_an_earlier_version_is_good_for_local_runs_and_refused_for_others(home):
    with DagsterInstance.from_config(home("run_launcher", "instance_class")) as instance:
        assert isinstance(instance.run_launcher, DefaultRunLauncher)
    with pytest.raises(SettingsError, match=r"RUNNER=celery has no effect .* lacks run_launcher and instance_class"):
        DagsterInstance.from_config(home("run_launcher", "instance_class", **CELERY))
    with pytest.raises(SettingsError, match="lacks instance_class"):
        DagsterInstance.from_config(home("instance_class", **CELERY))


def test_a_runner_that_is_not_installed_is_refused_with_the_command(home, monkeypatch):
    with DagsterInstance.from_config(home(**CELERY)) as instance:
        monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
        with pytest.raises(SettingsError, match=r"pip install 'aggregation-pipeline\[celery\]'"):
            _ = instance.run_launcher
