"""Whether a request to Dagster can be read. Dagster answers 500 to one that cannot, with thirty lines in the log."""

import json
import re
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request

_EXPECTED: Final = 'One request is expected: {"query": "...", "variables": {...}}, and no list of them.'
_NO_TEXT: Final = "The body is no text in UTF-8."
_NO_JSON: Final = f"The body is no JSON. {_EXPECTED}"
_NOT_STORABLE: Final = (
    "A text holds the character U+0000, or half of a character (U+D800 to U+DFFF). PostgreSQL takes neither."
)
# Far above what Dagster's pages send. Reading and checking one takes a second for each 100,000 characters.
_LONGEST_QUERY: Final = 128 * 1024
# As JSON and GraphQL write it. One that stands behind a second backslash is refused too, and nobody misses it.
_NUL: Final = re.compile(r"\\u(?:0000|\{0+\})")


async def problem_of(request: Request) -> str | None:
    """Return why the request cannot be read, for who has sent it; None if it can."""
    if request.method != "POST":
        return problem_of_values(dict(request.query_params))
    if "application/json" in request.headers.get("content-type", ""):
        try:
            sent = await request.json()
        except (ValueError, RecursionError):
            return _NO_JSON
        return problem_of_values(sent)
    try:
        return problem_of_values({"query": (await request.body()).decode()})
    except UnicodeDecodeError:
        return _NO_TEXT


async def problem_of_report(request: Request) -> str | None:
    """Return why the body of a report about an asset cannot be read; None if it can, or if there is none."""
    if not await request.body() or "application/json" not in request.headers.get("content-type", ""):
        return None
    try:
        sent = await request.json()
    except (ValueError, RecursionError):
        return "The body is no JSON."
    return _problem_of_texts(sent) if isinstance(sent, dict) else "An object of JSON is expected."


def problem_of_values(sent: object) -> str | None:
    """Return why one request, read from JSON or from an address, is none; None if it is one."""
    if not isinstance(sent, Mapping):
        return _EXPECTED
    variables = sent.get("variables")
    if isinstance(variables, str):
        try:
            variables = json.loads(variables)
        except (ValueError, RecursionError):
            return f"The variables are no JSON. {_EXPECTED}"
    is_text = all(isinstance(sent.get(key), str | None) for key in ("query", "operationName"))
    if not is_text or not isinstance(variables, dict | None):
        return _EXPECTED
    if len(sent.get("query") or "") > _LONGEST_QUERY:
        return f"A query may have {_LONGEST_QUERY:,} characters. Values belong into its variables."
    return _problem_of_texts({**sent, "variables": variables})


def _problem_of_texts(value: object) -> str | None:
    try:
        written = json.dumps(value, ensure_ascii=False)
        written.encode()
    except RecursionError:
        return _NO_JSON
    except UnicodeEncodeError:
        return _NOT_STORABLE
    return _NOT_STORABLE if _NUL.search(written) else None
