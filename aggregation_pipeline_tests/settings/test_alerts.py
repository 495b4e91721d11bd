"""The variables of alerts."""

import os
from typing import Any

import pytest

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings, load_settings


def settings(**variables: Any) -> Settings:
    return Settings(**variables)


def test_several_addresses_stand_between_blanks_or_commas_and_keep_their_own_commas():
    urls = " dingtalk://a@b,feishu://c\n mailto://u:p@x.com?to=a@x.com,b@x.com , json://h/p "
    assert [url.get_secret_value() for url in settings(alert_urls=urls).alert_urls] == [
        "dingtalk://a@b",
        "feishu://c",
        "mailto://u:p@x.com?to=a@x.com,b@x.com",
        "json://h/p",
    ]


def test_addresses_and_the_tokens_in_them_count_as_secrets_and_are_not_printed():
    made = settings(alert_urls="dingtalk://SECabcdefghijk@t0kent0kent0ken mailto://ada:pw@example.com")
    assert {"SECabcdefghijk", "t0kent0kent0ken", "pw", "dingtalk://SECabcdefghijk@t0kent0kent0ken"} <= set(made.secrets)
    assert "SECabc" not in repr(made)
    assert "example" not in repr(made)


def test_without_alert_urls_there_are_no_channels():
    assert settings().alert_urls == ()


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("ALERT_URLS", "dingtalk://a@b T0KENverysecret", "ALERT_URLS: entry 1 is no URL"),
        ("ALERT_URLS", "T0KENverysecret", "ALERT_URLS: entry 1 is no URL; expected such as dingtalk://SECRET@TOKEN"),
        ("ALERT_LANGUAGE", "fr", "ALERT_LANGUAGE: one of en, zh is expected, found 'fr'"),
        ("ALERT_WINDOW_SECONDS", "1", "ALERT_WINDOW_SECONDS: it should be greater than or equal to 5"),
        (
            "DAGSTER_UI_URL",
            "dagster.example.com",
            "DAGSTER_UI_URL: the address of Dagster's UI is expected, such as https://",
        ),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_secrets_are_not_repeated(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, words: str
):
    monkeypatch.setenv("AGGREGATION_ENV_FILE", os.devnull)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=words) as caught:
        load_settings()
    assert "very" not in str(caught.value)
