"""A wrong value of a variable is answered with what is expected, what was found, the likely cause and the nearest right value."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from aggregation_pipeline import misspelt
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.misspelt import misspelt as misspelt_names
from aggregation_pipeline.settings import Settings
from aggregation_pipeline_tests.env_files.settings_of import settings_of

Load = Callable[..., Settings]
MODES = "one of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY is expected, found"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    return settings_of(monkeypatch)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("DB_SSL_MODE", "true", f"{MODES} 'TRUE'. Was REQUIRED meant?"),
        ("DB_SSL_MODE", "off", f"{MODES} 'OFF'. Was DISABLED meant?"),
        ("DB_SSL_MODE", "verify-full", f"{MODES} 'VERIFY_FULL'. Was VERIFY_IDENTITY meant?"),
        ("DB_SSL_MODE", "DISABLE", f"{MODES} 'DISABLE'. Was DISABLED meant?"),
        ("DB_SSL_MODE", "REQUIRED；", f"{MODES} 'REQUIRED；': the sign ； is the full-width semicolon"),
        ("ALERT_LANGUAGE", "zh-CN", "one of en, zh is expected, found 'zh-CN'. Was zh meant?"),
        ("ALERT_LANGUAGE", "ZH", "found 'ZH'. Was zh meant?"),
        ("LOG_FORMAT", "JSON", "one of text, json is expected, found 'JSON'. Was json meant?"),
        ("LOG_FORMAT", "ｊｓｏｎ", "found 'ｊｓｏｎ': its characters are full-width; write json. Was json meant?"),
        ("EXECUTOR", "multi_process", "Was multiprocess meant?"),
        ("EXECUTOR", "xyz", "one of in_process, multiprocess is expected, found 'xyz'"),
        ("DB_PORT", "３３０６０６", "a whole number is expected, found '３３０６０６': its characters are full-width; write 330606"),
        ("DB_PORT", "mysql", "a whole number is expected, found 'mysql'"),
        ("DB_PORT", "99999", "it should be less than or equal to 65535, found '99999'"),
        ("DB_PORT", "3306，", "a whole number is expected, found '3306，': the sign ， is the full-width comma"),
        ("OSS_INTERNAL", "maybe", "true or false is expected, found 'maybe'"),
        ("OSS_READ_TIMEOUT", "long", "a number is expected, found 'long'"),
        ("BATCH_JOB_TYPE", "x" * 70, "it should have at most 50 characters, found 'xxxx"),
        (
            "OUTPUT_FORMAT",
            "csv，excel",
            "found csv，excel; the sign ， is the full-width comma (U+FF0C), not an ASCII sign; write the ASCII sign ','",
        ),
        ("OUTPUT_FORMAT", "csv、json", "write the ASCII sign ','"),
        ("OSS_PREFIX", "/a/", "'/a/' cannot begin an object key"),
    ],
)
def test_a_wrong_value_brings_what_was_found_and_what_was_meant(load: Load, variable: str, value: str, words: str):
    with pytest.raises(SettingsError) as caught:
        load(**{variable: value})
    said = str(caught.value)
    assert f"- {variable}: " in said
    assert words in said
    assert "Input should" not in said
    assert said.count(variable) == 1
    assert "aggregation.yaml" not in said


def test_a_variable_is_named_once_before_its_mistake(load: Load):
    for variable in ("DAGSTER_PG_URL", "BATCH_JOBS_URL"):
        with pytest.raises(SettingsError) as caught:
            load(**{variable: "nonsense"})
        assert str(caught.value).count(variable) == 1


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("DB_SSLMODE", "DB_SSL_MODE"),
        ("DB_SSL", "DB_SSL_MODE"),
        ("DB_PASSWRD", "DB_PASSWORD"),
        ("DB_PASS", "DB_PASSWORD"),
        ("AGGREGATION_TABLE", "AGGREGATION_TABLES"),
        ("OUTPUT_FORMATS", "OUTPUT_FORMAT"),
        ("output_formats", "OUTPUT_FORMAT"),
        ("TIME_ZONE", "TIMEZONE"),
        ("ALERT_URL", "ALERT_URLS"),
    ],
)
def test_a_misspelt_variable_is_told_once_with_the_right_one_and_not_its_value(
    load: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture, wrong: str, right: str
):
    misspelt.tell.cache_clear()
    path = tmp_path / "file.env"
    path.write_text(f"{wrong}=hush-hush\nNODE_ENV=production\n", encoding="utf-8")
    for variables in ({"AGGREGATION_ENV_FILE": str(path)}, {wrong: "hush-hush"}):
        load(**variables)
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == f"{wrong.upper()} is set in the environment or .env, and nothing reads it. Was {right} meant?"


def test_what_is_not_ours_is_left_alone():
    others = ("path", "home", "tz", "node_env", "db_charset", "db_type", "redis_host", "dagster_home", "aggregation_env_file", "log_file")
    assert misspelt_names((*others, *Settings.model_fields), Settings.model_fields) == {}
