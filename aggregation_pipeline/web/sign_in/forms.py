"""Forms as browsers send them, read to a limit."""

import asyncio
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from starlette.requests import ClientDisconnect, Request

from aggregation_pipeline.web.common.bounded_body import read_body
from aggregation_pipeline.web.sign_in import cookies

_MOST_BYTES: Final = 16_384
_MOST_FIELDS: Final = 20
_SECONDS: Final = 10.0
_TYPE: Final = "application/x-www-form-urlencoded"
FORM_FIELD: Final = "form"


class BadFormError(Exception):
    """What came is no form of ours. `status` is the answer."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def read_form(request: Request) -> Mapping[str, str]:
    """Return the fields of a form of ours.

    Raises:
        BadFormError: it is none, is too long, comes too slowly, or does not carry the token of our forms.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise BadFormError(415)
    try:
        body = await asyncio.wait_for(_read(request), _SECONDS)
        fields = dict(
            parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS)
        )
    except TimeoutError:
        raise BadFormError(408) from None
    except (ValueError, ClientDisconnect):
        raise BadFormError(400) from None
    if not cookies.is_own_form(request, fields.get(FORM_FIELD, "")):
        raise BadFormError(403)
    return fields


async def _read(request: Request) -> bytes:
    body = await read_body(request, _MOST_BYTES)
    if body is None:
        raise BadFormError(413)
    return body


def own_path(text: str, prefix: str) -> str:
    """Return the path to go on to: `text` if it is one of ours, else the first page.

    A browser takes `//host` and `/\\host` as addresses of other sites, and drops tabs and line breaks before it looks.
    """
    first = f"{prefix}/"
    is_ours = (
        text.startswith(first)
        and not text.startswith(("//", "/\\"))
        and text.isprintable()
        and "\\" not in text
        and len(text) <= 2000
        # A browser goes up by these, and so below another prefix.
        and not {".", ".."} & {*unquote(text.partition("?")[0]).split("/")}
    )
    return text if is_ours else first
