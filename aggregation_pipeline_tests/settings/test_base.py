"""The environment: right values are read, wrong ones are all named at once, and no secret is ever shown."""

import re
from pathlib import Path

import pytest
from dagster import DagsterInstance
from dagster_postgres import PostgresEventLogStorage

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline_tests.support.deployment import use_environment
from aggregation_pipeline_tests.support.paths import REPOSITORY

OSS = {
    "OSS_REGION": "oss-cn-hangzhou",
    "OSS_ACCESS_KEY_ID": "key-id-1",
    "OSS_ACCESS_KEY_SECRET": "key-secret-1",
    "OSS_BUCKET": "exports",
}


def test_everything_has_a_default_and_nothing_is_required_to_load(read):
    settings = read()
    assert (settings.timezone, settings.cron_schedule, settings.output_format) == (
        "Asia/Shanghai",
        "0 0 2 * * *",
        ("json",),
    )
    assert not settings.has_source
    assert settings.oss_options is None


@pytest.mark.parametrize(
    ("text", "formats"),
    [
        ("json", ("json",)),
        ("all", ("json", "csv", "excel", "parquet")),
        ("Excel, csv", ("csv", "excel")),
        ("xlsx", ("excel",)),
    ],
)
def test_output_format_takes_one_name_several_or_all(read, text, formats):
    assert read(OUTPUT_FORMAT=text).output_format == formats


@pytest.mark.parametrize(
    ("text", "level"),
    [("debug", "DEBUG"), ("Info", "INFO"), ("warn", "WARNING"), ("WARNING", "WARNING"), ("http", "INFO")],
)
def test_log_level_is_read_in_any_case_and_in_nodes_words(read, text, level):
    assert read(LOG_LEVEL=text).log_level == level


def test_tables_are_split_at_commas_and_an_empty_value_means_unset(read):
    assert read(AGGREGATION_TABLES="users, orders,").aggregation_tables == ("users", "orders")
    assert read(AGGREGATION_TABLES="").aggregation_tables is None


def test_a_half_configured_service_is_an_error_that_names_what_is_missing(read):
    with pytest.raises(SettingsError) as caught:
        read(OSS_BUCKET="exports", DB_HOST="db", SUPABASE_URL="https://x.supabase.co")
    said = str(caught.value)
    assert (
        "OSS is half configured: OSS_BUCKET set, but OSS_REGION, OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET missing"
        in said
    )
    assert "the source database is half configured: DB_HOST set, but DB_USER, DB_NAME missing" in said
    assert "Supabase is half configured: SUPABASE_URL set, but SUPABASE_KEY missing" in said


def test_a_whole_bucket_is_read_and_an_endpoint_may_stand_for_the_region(read):
    options = read(**OSS).oss_options
    assert options is not None
    assert (options.bucket, options.region) == ("exports", "cn-hangzhou")
    without = {name: value for name, value in OSS.items() if name != "OSS_REGION"}
    assert read(**without, OSS_ENDPOINT="https://oss-cn-beijing.aliyuncs.com").oss_options.region == "cn-beijing"


def test_what_oss_cannot_mean_is_refused_when_settings_load(read):
    with pytest.raises(SettingsError, match="Bad_Bucket"):
        read(**OSS | {"OSS_BUCKET": "Bad_Bucket"})


def test_all_problems_are_listed_at_once_by_variable(read):
    with pytest.raises(SettingsError) as caught:
        read(
            DB_PORT="many",
            TIMEZONE="Asia/Beijing",
            OUTPUT_FORMAT="pdf",
            LOG_LEVEL="loud",
            ALLOWED_HOSTS="https://bi.example/",
            BATCH_JOBS_URL="mysql://u:hidden-word@h/d",
        )
    said = str(caught.value)
    for words in (
        "DB_PORT",
        "TIMEZONE",
        "'Asia/Beijing' is none",
        "OUTPUT_FORMAT",
        "json, csv, excel, parquet",
        "LOG_LEVEL",
        "loud",
        "it is a URL; the host alone belongs there",
        "BATCH_JOBS_URL",
    ):
        assert words in said
    assert "hidden-word" not in said


def test_postgresql_urls_are_made_right(read):
    settings = read(DAGSTER_PG_URL="postgresql://u:p@h:5432/d")
    assert settings.require_dagster_url() == "postgresql+psycopg2://u:p@h:5432/d?options=-c%20timezone%3DUTC"
    assert settings.require_batch_jobs_url() == settings.require_dagster_url()


def test_without_dagsters_database_the_message_names_the_remedy(read):
    with pytest.raises(SettingsError, match=r"DAGSTER_PG_URL is not set.*make demo"):
        read().require_dagster_url()


def test_secrets_do_not_print(read):
    settings = read(
        **OSS,
        DB_HOST="h",
        DB_USER="u",
        DB_NAME="d",
        DB_PASSWORD="hidden-1",
        DAGSTER_PG_URL="postgresql://u:hidden-2@h/d",
    )
    shown = f"{settings!r} {settings} {settings.oss_options!r}"
    for secret in ("hidden-1", "hidden-2", "key-secret-1"):
        assert secret not in shown
        assert secret in settings.secrets


def test_a_dotenv_file_is_read_below_the_environment(read, tmp_path):
    path = tmp_path / ".env"
    path.write_text("DEPLOYMENT_NAME=from-file\nTIMEZONE=Europe/Berlin\n", encoding="utf-8")
    settings = read(AGGREGATION_ENV_FILE=str(path), DEPLOYMENT_NAME="from-environment")
    assert (settings.deployment_name, settings.timezone) == ("from-environment", "Europe/Berlin")


def test_dagster_itself_takes_a_plain_url_and_refuses_a_wrong_one_in_words(monkeypatch, dagster_database):
    plain = dagster_database.replace("postgresql+psycopg2://", "postgresql://").replace(
        "&options=-c%20timezone%3DUTC", ""
    )
    assert "psycopg2" not in plain
    assert "options" not in plain
    use_environment(monkeypatch, {"DAGSTER_PG_URL": plain})
    with (
        DagsterInstance.from_config(str(REPOSITORY)) as instance,
        DagsterInstance.from_ref(instance.get_ref()) as again,
    ):
        assert again.get_runs_count() >= 0
        storage = again.event_log_storage
        assert isinstance(storage, PostgresEventLogStorage)
        with storage.index_connection() as connection:
            assert connection.exec_driver_sql("SHOW timezone").scalar_one() == "UTC"
    use_environment(monkeypatch, {"DAGSTER_PG_URL": "mysql://u:hidden-3@h:3306/d"})
    with pytest.raises(SettingsError, match=r"DAGSTER_PG_URL is a mysql URL, and PostgreSQL is needed there") as caught:
        DagsterInstance.from_config(str(REPOSITORY))
    assert "hidden-3" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DB_SSL_MODE": "true"}, "DB_SSL_MODE: one of DISABLED, .*is expected, found 'TRUE'. Was REQUIRED meant?"),
        ({"DB_SSL_MODE": "off"}, "Was DISABLED meant?"),
        ({"DB_SSL_MODE": "verify-full"}, "Was VERIFY_IDENTITY meant?"),
        ({"DB_SSL_MODE": "REQUIRED；"}, "Was REQUIRED meant?"),
        ({"ALERT_LANGUAGE": "zh-CN"}, "ALERT_LANGUAGE: one of en, zh is expected, found 'zh-CN'. Was zh meant?"),
        ({"LOG_FORMAT": "JSON"}, "LOG_FORMAT: .*Was json meant?"),
        ({"DB_PORT": "３３０６"}, "DB_PORT: a whole number is expected; it holds a full-width character"),
        ({"DB_PORT": "hush-hush"}, "DB_PORT: a whole number is expected"),
        ({"OSS_INTERNAL": "maybe"}, "OSS_INTERNAL: true or false is expected"),
        ({"OUTPUT_FORMAT": "csv，excel"}, "OUTPUT_FORMAT: .*the full-width comma .*write the ASCII sign ','"),
        ({"OUTPUT_FORMAT": "csv、json"}, "write the ASCII sign ','"),
        ({"OUTPUT_FORMAT": "cvs"}, "found cvs. Was csv meant?"),
        ({"CRON_SCHEDULE": "每天"}, "CRON_SCHEDULE: the cron expression '每天' cannot be used: 5 fields"),
        ({"CRON_SCHEDULE": "0 0 2 * * ？"}, "CRON_SCHEDULE: .*the full-width question mark"),
        ({"OSS_PREFIX": "/a/"}, "OSS_PREFIX: .*Correct OSS_PREFIX: folders are written as exports/daily"),
        ({"DAGSTER_PG_URL": "mysql://u:hush-hush@h/d"}, "  - DAGSTER_PG_URL is a mysql URL"),
    ],
)
def test_a_value_that_no_variable_takes_is_named_with_its_likely_cause(read, variables: dict[str, str], words: str):
    with pytest.raises(SettingsError) as caught:
        read(**variables)
    assert re.search(words, str(caught.value)), str(caught.value)
    assert "hush" not in str(caught.value)


def test_a_wrong_schedule_is_named_together_with_the_other_mistakes(read):
    with pytest.raises(SettingsError) as caught:
        read(CRON_SCHEDULE="61 * * * *", DB_PORT="0", TIMEZONE="Nowhere")
    assert all(f"  - {name}: " in str(caught.value) for name in ("CRON_SCHEDULE", "DB_PORT", "TIMEZONE"))


def test_a_misspelled_variable_is_a_warning_with_the_right_name(read, caplog: pytest.LogCaptureFixture, tmp_path: Path):
    path = tmp_path / ".env"
    path.write_text(
        "DB_SSLMODE=VERIFY_CA\nAGGREGATION_TABLE=users\nDB_POOL_SIZE=5\nLOG_FILE=x\nDAGSTER_PG_HOST=h\nDB_NAME_=\n"
    )
    read(AGGREGATION_ENV_FILE=str(path), OUTPUT_FORMATS="csv", DB_SSL="hush-hush", TMPDIR="/tmp", SSL_CERT_FILE="x")
    assert [record.getMessage() for record in caplog.records if "no meaning" in record.getMessage()] == [
        f"The environment (or .env) sets {name}, which has no meaning here. Was {meant} meant?"
        for name, meant in (
            ("AGGREGATION_TABLE", "AGGREGATION_TABLES"),
            ("DB_SSL", "DB_SSL_MODE"),
            ("DB_SSLMODE", "DB_SSL_MODE"),
            ("OUTPUT_FORMATS", "OUTPUT_FORMAT"),
        )
    ]


def test_a_password_in_the_query_of_a_url_is_a_secret_too(read):
    assert "hush-hush" in read(DAGSTER_PG_URL="postgresql://u@h/d?password=hush-hush").secrets
