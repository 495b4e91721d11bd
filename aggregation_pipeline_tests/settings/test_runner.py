"""RUNNER: what goes together, and what is refused when settings load."""

import re
from collections import Counter

import pytest
from pydantic import BaseModel

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.runner import broker_place

BROKER = "redis://:hush%40hush@redis.internal:6379/1"
CELERY = {"RUNNER": "celery", "CELERY_BROKER_URL": BROKER, "STORAGE_SHARED": "true"}


def test_runs_stay_on_this_machine_by_default(read):
    settings = read()
    settings.require_runner()
    assert settings.runner == "local"


def test_a_broker_is_a_secret_and_messages_show_its_place_only(read):
    settings = read(**CELERY)
    assert settings.require_broker_url() == BROKER
    assert {BROKER, "hush@hush"} <= set(settings.secrets)
    assert "hush" not in f"{settings!r}{broker_place(BROKER)}"
    assert broker_place(BROKER) == "redis.internal:6379/1"
    assert broker_place("redis://h") == "h:6379/0"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"RUNNER": "celery", "STORAGE_SHARED": "true"}, r"RUNNER=celery needs CELERY_BROKER_URL.*redis://:password@"),
        (CELERY | {"EXECUTOR": "multiprocess"}, "EXECUTOR=multiprocess does not go with RUNNER=celery: each run of a"),
        (CELERY | {"STORAGE_SHARED": "false"}, "RUNNER=celery with files in STORAGE_DIR: .*OSS_BUCKET.*STORAGE_SHARED"),
        ({"RUNNER": "Celery"}, "RUNNER: one of local, celery, kubernetes, docker is expected, found 'Celery'. Was cel"),
        (CELERY | {"CELERY_BROKER_URL": "amqp://hush@h"}, "CELERY_BROKER_URL: it does not begin with redis:// or redi"),
        (CELERY | {"CELERY_BROKER_URL": "redis://:hush@h:0"}, "its port is 0"),
        (CELERY | {"CELERY_BROKER_URL": "redis://:hush@h:x"}, "its host or port cannot be read"),
        (CELERY | {"CELERY_BROKER_URL": "redis://:hush#hush@h"}, "host|port"),
        (CELERY | {"CELERY_BROKER_URL": "redis://:hush@/0"}, "it names no host"),
        (CELERY | {"CELERY_BROKER_URL": "redis://:hush@h/db"}, "not the number of a database"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_remedy(read, variables: dict[str, str], words: str):
    with pytest.raises(SettingsError) as caught:
        read(**variables)
    assert re.search(words, str(caught.value)), str(caught.value)
    assert "hush" not in str(caught.value)


def test_the_broker_may_be_in_a_file(read, tmp_path):
    secret = tmp_path / "broker"
    secret.write_text(BROKER + "\n")
    variables = {name: value for name, value in CELERY.items() if name != "CELERY_BROKER_URL"}
    assert read(**variables, CELERY_BROKER_URL_FILE=str(secret)).require_broker_url() == BROKER


def test_lists_of_containers_are_read_with_all_other_variables(read):
    settings = read(KUBERNETES_ENV_SECRETS="a, b.c", KUBERNETES_IMAGE_PULL_SECRETS="d", DOCKER_ENV="A=1, B")
    assert settings.kubernetes_env_secrets == ("a", "b.c")
    assert (settings.kubernetes_image_pull_secrets, settings.docker_env) == (("d",), ("A=1", "B"))


def test_no_part_of_the_settings_hides_the_validator_of_another_by_its_name():
    found = [
        name
        for part in Settings.__mro__
        if part is not BaseModel and issubclass(part, BaseModel)
        for found in (part.__pydantic_decorators__.field_validators, part.__pydantic_decorators__.model_validators)
        for name in found
        if name in vars(part)
    ]
    assert [name for name, times in Counter(found).items() if times > 1] == []
