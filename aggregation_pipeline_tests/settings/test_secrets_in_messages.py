"""Whatever stands in a secret variable, no message, log or repr repeats a piece of it."""

import logging
from typing import Any

import pytest
import sqlalchemy as sa

from aggregation_pipeline.automation.alert_sensor import channels_of
from aggregation_pipeline.errors import PipelineError, SettingsError
from aggregation_pipeline.postgres.engine import create_engine, safe_reason
from aggregation_pipeline.postgres.url import normalize_url, require_normalized
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.settings.settings_of import settings_of

HIDDEN = "S3cr3tXYZ"
SECRETS = [name for name, field in Settings.model_fields.items() if "Secret" in str(field.annotation)]
ANYTHING = (
    HIDDEN,
    f" {HIDDEN} ",
    f"{HIDDEN}密钥",
    f"{HIDDEN}\nsecond line",
    f"key={HIDDEN}",
    f"{HIDDEN}://host/x",
    f"https://{HIDDEN}",
    f"https://{HIDDEN}..x/{HIDDEN}",
    f"foo://{HIDDEN}",
    f"ftp://u:{HIDDEN}@host:99999/x",
    f"dingtalk://{HIDDEN}＠token",
    f"mailto://u:{HIDDEN}",
    f"slack://{HIDDEN}",
    f"json://host..x/{HIDDEN}",
    f"https://[{HIDDEN}",
    f"slack://[{HIDDEN}",
    f"https://{HIDDEN}℀x/y",
    f"mailto://u:{HIDDEN}℀@x",
    f"https://u:{HIDDEN}@host/?token={HIDDEN}#{HIDDEN}",
)
POSTGRESQL = (
    f"postgresql://u:{HIDDEN}",
    f"postgresql://u:{HIDDEN}@127.0.0.1:1/d",
    f"postgresql://u:{HIDDEN}@XYZ@127.0.0.1/d",
    f"postgresql://u:x@{HIDDEN}@127.0.0.1/d",
    f"postgresql://u:1@127.0.0.1:{HIDDEN}/d",
    f"postgresql://u:{HIDDEN}@127.0.0.1:99999/d",
    f"postgresql://u:{HIDDEN}@h..x/d",
    f"postgresql://[{HIDDEN}]@127.0.0.1:0/d",
    f"postgresql://u@[{HIDDEN}]/d",
    f"postgresql://postgres:[YOUR-PASSWORD]@db.{HIDDEN}.supabase.co:5432/d",
    f"postgresql+{HIDDEN}://u@127.0.0.1/d",
    f"postgresql+asyncpg://u@127.0.0.1/{HIDDEN}",
    f"postgresql+asyncpg://u@127.0.0.1/d?passwd={HIDDEN}&sslkey={HIDDEN}",
    f"POSTGRESQL://u:{HIDDEN}@127.0.0.1:1/d",
    f"mysql+pymysql://u:{HIDDEN}@h/d",
    f"jdbc:postgresql://h/d?user=u&password={HIDDEN}",
    f"host=h user=u password={HIDDEN} dbname=d",
    f"u:{HIDDEN}@h/d",
    f"postgresql://u:{HIDDEN}@db.{HIDDEN}.supabase.co:6543/d",
    f"postgresql://u:x@127.0.0.1:1/d?sslpassword={HIDDEN}&options=-c%20timezone%3D{HIDDEN}",
)
# What has to stand beside a secret for it to be looked at as a whole.
BESIDE = {
    "oss": {"OSS_BUCKET": "exports", "OSS_REGION": "oss-cn-hangzhou"},
    "supabase": {"SUPABASE_URL": "https://abc.supabase.co"},
    "db": {"DB_HOST": "db", "DB_USER": "u", "DB_NAME": "d"},
}


def said_of(settings: Settings) -> str:
    """What is said where the settings could be read, and are used without a server."""
    said = [repr(settings), str(settings), repr(settings.oss_options)]
    try:
        said += map(repr, channels_of(settings))
    except PipelineError as error:
        said.append(str(error))
    for url in (settings.dagster_pg_url, settings.batch_jobs_url):
        if url is not None:
            try:
                create_engine(url.get_secret_value(), application_name="test", connect_timeout=2).connect()
            except sa.exc.DBAPIError as error:
                said.append(safe_reason(error))
    return "\n".join(said)


def test_there_are_secrets_to_look_at():
    assert {
        "db_password",
        "mask_salt",
        "dagster_pg_url",
        "batch_jobs_url",
        "supabase_key",
        "oss_access_key_secret",
        "alert_urls",
    } <= {*SECRETS}


@pytest.mark.parametrize("name", SECRETS)
def test_no_value_of_a_secret_variable_is_repeated(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
):
    caplog.set_level(logging.DEBUG)
    load = settings_of(monkeypatch)
    for value in (*ANYTHING, *(POSTGRESQL if name.endswith(("pg_url", "jobs_url")) else ())):
        for beside in ({}, BESIDE.get(name.partition("_")[0], {})):
            said: Any = ""
            try:
                said = said_of(load(**beside, **{name.upper(): value}))
            except SettingsError as error:
                said = str(error)
            assert HIDDEN.lower() not in said.lower() + caplog.text.lower(), (name, value.replace(HIDDEN, "..."))


@pytest.mark.parametrize("url", POSTGRESQL)
def test_what_dagster_has_read_already_is_not_repeated_either(url: str):
    said = ""
    for look in (normalize_url, require_normalized):
        try:
            look(url)
        except SettingsError as error:
            said += str(error)
    assert HIDDEN.lower() not in said.lower()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            f"postgresql://u:{HIDDEN}",
            "cannot be read as a URL: it has no @; in .env an unquoted # begins a comment",
        ),
        ("postgresql://u:904711", "has a port that is none"),
        ("postgresql://u:1234", "names no database, nor a user; in .env an unquoted # begins a comment"),
        (
            f"jdbc:postgresql://h/d?user=u&password={HIDDEN}",
            "cannot be read as a URL: it is one of Java's; take jdbc: off",
        ),
        (
            f"host=h user=u password={HIDDEN} dbname=d",
            "cannot be read as a URL: it is made of keys and values, as libpq takes them.*Expected postgresql://user:password@host",
        ),
    ],
)
def test_a_url_that_cannot_be_read_brings_the_likely_cause(monkeypatch: pytest.MonkeyPatch, url: str, words: str):
    for name in ("DAGSTER_PG_URL", "BATCH_JOBS_URL"):
        with pytest.raises(SettingsError, match=f"{name} {words}") as caught:
            settings_of(monkeypatch)(**{name: url})
        assert not [piece for piece in ("S3cr", "9047", "1234") if piece in str(caught.value)]
