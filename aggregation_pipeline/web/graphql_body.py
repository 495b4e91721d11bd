"""Whether a request for GraphQL can be read. Dagster answers 500 to one that cannot, with thirty lines in the log."""

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

_EXPECTED: Final = 'One request is expected: {"query": "...", "variables": {...}}, and no list of them.'
_NO_TEXT: Final = "The body is no text in UTF-8."


async def problem_of(request: Request) -> str | None:
    """Return why the request cannot be read, for who has sent it; None if it can."""
    if request.method != "POST":
        return _problem_of_values(request.query_params)
    if "application/json" not in request.headers.get("content-type", ""):
        return None if _is_text(await request.body()) else _NO_TEXT
    try:
        sent = await request.json()
    except (ValueError, RecursionError):
        return f"The body is no JSON. {_EXPECTED}"
    return _problem_of_values(sent) if isinstance(sent, dict) else _EXPECTED


def _problem_of_values(sent: Mapping[str, Any]) -> str | None:
    variables = sent.get("variables")
    if isinstance(variables, str):
        try:
            variables = json.loads(variables)
        except (ValueError, RecursionError):
            return f"The variables are no JSON. {_EXPECTED}"
    is_good = isinstance(sent.get("query"), str | None) and isinstance(variables, dict | None)
    return None if is_good else _EXPECTED


def _is_text(body: bytes) -> bool:
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True
