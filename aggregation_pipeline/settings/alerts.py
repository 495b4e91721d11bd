"""The variables of alerts: the channels, the language, how often."""

import re
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from aggregation_pipeline.config.hosts_and_urls import FULL_WIDTH_PROBLEM, is_full_width, url_problem

AlertLanguage = Literal["en", "zh"]

# URLs may contain commas, so the next URL begins only where a scheme follows a comma or a blank.
_SEPARATOR: Final = re.compile(r"[\s,]+(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
# Shorter pieces of a URL are words such as "robot" or "send": they are no secrets, and removing them would damage
# other texts.
_SECRET_LENGTH: Final = 12
# Schemes that are followed by a host; most others are followed by a token.
_WEB_SCHEMES: Final = {"http", "https", "json", "jsons", "xml", "xmls", "form", "forms"}


class AlertSettings(BaseModel):
    """Everything about alerts. Without ALERT_URLS no alerts are sent."""

    # The URL of a group robot is its password: anybody who knows it can post to the group.
    alert_urls: tuple[SecretStr, ...] = ()
    alert_language: AlertLanguage = "en"
    # Incidents within so many seconds become one message.
    alert_window_seconds: int = Field(default=60, ge=5, le=3600)
    # DingTalk blocks a robot for ten minutes after twenty messages in one minute.
    alert_messages_per_minute: int = Field(default=15, ge=1, le=1000)
    alert_on_warn: bool = False
    # The address of Dagster's UI, for links in messages.
    dagster_ui_url: str | None = None

    @field_validator("alert_urls", mode="before")
    @classmethod
    def _split_urls(cls, value: object) -> object:
        return (
            tuple(url for url in _SEPARATOR.split(value.strip(" \t\r\n,")) if url) if isinstance(value, str) else value
        )

    @field_validator("alert_urls")
    @classmethod
    def _refuse_bad_urls(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for number, url in enumerate(value, 1):
            if not re.fullmatch(r"[a-z][a-z0-9+.-]*://\S+", url.get_secret_value(), re.IGNORECASE):
                raise ValueError(
                    f"entry {number} is no URL; expected such as dingtalk://SECRET@TOKEN, with blanks or commas between"
                    " several"
                )
            if problem := _problem(url.get_secret_value()):
                raise ValueError(f"entry {number} can never be reached; {problem}")
        return tuple(dict.fromkeys(value))

    @field_validator("dagster_ui_url")
    @classmethod
    def _refuse_bad_address(cls, value: str | None) -> str | None:
        if value is not None and (problem := url_problem(value)):
            raise ValueError(f"the address of Dagster's UI is expected, such as https://dagster.example.com; {problem}")
        if value is not None and "@" in urlsplit(value).netloc:
            raise ValueError(
                "it has a user name or a password, which every message would show; leave out everything up to the @"
            )
        return value.rstrip("/") if value else None

    @property
    def alert_secrets(self) -> tuple[str, ...]:
        """The URLs, and those pieces of them that may be a token."""
        return tuple(piece for url in self.alert_urls for piece in secret_pieces(url.get_secret_value()))


def _problem(url: str) -> str:
    """What is wrong with a URL, if anything: it can never be reached. Most have a token in the place of a host."""
    scheme, _, rest = url.partition("://")
    if scheme.lower() in _WEB_SCHEMES:
        return url_problem(f"https://{rest}")
    try:
        # Python's message is not used: it repeats the URL.
        urlsplit(url)
    except ValueError:
        return FULL_WIDTH_PROBLEM if is_full_width(url) else "it cannot be read as a URL"
    return FULL_WIDTH_PROBLEM if is_full_width(re.split(r"[/?#]", rest)[0]) else ""


def secret_pieces(url: str) -> tuple[str, ...]:
    """The URL, and the pieces of it that may be a token, both as written and decoded; the longest first."""
    parts = urlsplit(url)
    inside = re.split(r"[/?&=@:#]", f"{parts.netloc}/{parts.path}?{parts.query}#{parts.fragment}")
    if parts.password:
        inside.append(parts.password)
    found = {
        piece
        for raw in inside
        for piece in (raw, unquote(raw))
        if len(piece) >= _SECRET_LENGTH or piece == parts.password
    }
    return (url, *sorted(found, key=len, reverse=True))
