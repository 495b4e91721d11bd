"""What answers of several endpoints share."""

from datetime import UTC, datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class Answer(BaseModel):
    """An answer: its fields are written in camel case, and may be taken from an object's attributes."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, from_attributes=True)


def moment_text(moment: datetime) -> str:
    """Return a moment as JavaScript's Date writes it in JSON: in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def now_text() -> str:
    """Return the present moment, likewise."""
    return moment_text(datetime.now(UTC))


class Problem(BaseModel):
    """Why a request got no other answer."""

    detail: str = Field(description="What is wrong, and what to do, for people.")


# What a name in a path or a query is: it has no control characters.
NAME: Final = "^[^\u0000-\u001f\u007f]+$"
# For `responses` of an endpoint.
PROBLEM: Final[dict[str, Any]] = {"model": Problem}
