"""Labels of an entry's assets in Dagster, checked against the characters that Dagster accepts."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from aggregation_pipeline.config.messages.secrets import HIDDEN, mentions_secret, shown_text

_GROUP: Final = re.compile(r"^[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*$")
_OWNER: Final = re.compile(r"team:\S+|[^@\s]+@[^@\s]+\.[^@\s]+")
_TAG_KEY: Final = re.compile(r"([A-Za-z0-9_.-]{1,63}/)?[A-Za-z0-9_.-]{1,63}")
_TAG_VALUE: Final = re.compile(r"[A-Za-z0-9_.-]{0,63}")


def _checked_group(group: str) -> str:
    if not _GROUP.fullmatch(group):
        raise ValueError(
            f"Dagster takes letters A to Z, digits and _ in a group's name, and / between its parts; found {group!r}"
        )
    return group


def _checked_owners(owners: tuple[str, ...]) -> tuple[str, ...]:
    for owner in owners:
        if not _OWNER.fullmatch(owner):
            raise ValueError(f"an e-mail address or team:name is expected, found {owner!r}")
    return owners


def _checked_tags(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        if not _TAG_KEY.fullmatch(key) or not _TAG_VALUE.fullmatch(value):
            shown = HIDDEN if mentions_secret(key) else shown_text(value)
            raise ValueError(f"Dagster takes letters, digits, . _ - in tags, at most 63 of them; found {key}: {shown}")
    return tags


GroupName = Annotated[str, Field(json_schema_extra={"pattern": _GROUP.pattern}), AfterValidator(_checked_group)]
Owners = Annotated[tuple[str, ...], AfterValidator(_checked_owners)]
Tags = Annotated[dict[str, str], Field(default_factory=dict), AfterValidator(_checked_tags)]
