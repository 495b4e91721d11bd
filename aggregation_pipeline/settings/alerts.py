"""The variables of alerts: who is told, in which language, how often."""

import re
from typing import Final, Literal
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator

from aggregation_pipeline.config.addresses import FULL_WIDTH_PROBLEM, is_full_width, url_problem

AlertLanguage = Literal["en", "zh"]

# The next URL begins where a scheme follows a gap: commas occur inside of URLs as well.
_BETWEEN: Final = re.compile(r"[\s,]+(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE)
# Shorter pieces of a URL are words such as "robot" or "send": they give nothing away, and blanking them would maim
# other texts.
_SECRET_LENGTH: Final = 12
# Where a host stands after the scheme, as in any other URL.
_WEB: Final = {"http", "https", "json", "jsons", "xml", "xmls", "form", "forms"}


class AlertSettings(BaseModel):
    """Everything about alerts. Without ALERT_URLS nobody is told anything."""

    # The address of a group robot is its password: whoever knows it can write there.
    alert_urls: tuple[SecretStr, ...] = ()
    alert_language: AlertLanguage = "en"
    # What goes wrong within so many seconds makes one message.
    alert_window_seconds: int = Field(default=60, ge=5, le=3600)
    # DingTalk shuts a robot up for ten minutes after twenty messages in one.
    alert_messages_per_minute: int = Field(default=15, ge=1, le=1000)
    alert_on_warn: bool = False
    # For links: where people reach Dagster's UI.
    dagster_ui_url: str | None = None

    @field_validator("alert_urls", mode="before")
    @classmethod
    def _split_urls(cls, value: object) -> object:
        return tuple(url for url in _BETWEEN.split(value.strip(" \t\r\n,")) if url) if isinstance(value, str) else value

    @field_validator("alert_urls")
    @classmethod
    def _look_like_urls(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
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
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and (problem := url_problem(value)):
            raise ValueError(f"the address of Dagster's UI is expected, such as https://dagster.example.com; {problem}")
        if value is not None and "@" in urlsplit(value).netloc:
            raise ValueError(
                "a user name or a password stands in it, and it would stand in every message; leave them out, up to"
                " the @"
            )
        return value.rstrip("/") if value else None

    @property
    def alert_secrets(self) -> tuple[str, ...]:
        """The URLs, and the pieces of them that open the door."""
        return tuple(piece for url in self.alert_urls for piece in pieces(url.get_secret_value()))


def _problem(url: str) -> str:
    """What keeps an address from ever being reached. Most hold a token where others have a host."""
    scheme, _, rest = url.partition("://")
    if scheme.lower() in _WEB:
        return url_problem(f"https://{rest}")
    try:
        # Its own words repeat what is wrong.
        urlsplit(url)
    except ValueError:
        return FULL_WIDTH_PROBLEM if is_full_width(url) else "it cannot be read as a URL"
    return FULL_WIDTH_PROBLEM if is_full_width(re.split(r"[/?#]", rest)[0]) else ""


def pieces(url: str) -> tuple[str, ...]:
    """The URL itself, and whatever in it may be a token, as it stands there and decoded; the longest first."""
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
