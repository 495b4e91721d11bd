"""The pages of sign-in: each carries the token of its forms."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aggregation_pipeline.web.common.page import Pages
from aggregation_pipeline.web.sign_in import cookies
from aggregation_pipeline.web.sign_in.texts import TEXTS

PAGES: Final = Pages(__package__, TEXTS, "/sign-in/style.css")


def show(
    request: Request,
    template: str,
    *,
    status: int = 200,
    problem: str | None = None,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> Response:
    """Return a page. `problem` is the key of a text, or a text, that says what was wrong."""
    token = cookies.form_token(request)
    values |= {"form_token": token, "problem": PAGES.texts(request).get(problem, problem) if problem else None}
    response = PAGES.show(request, template, status=status, headers=headers, **values)
    cookies.set_form_token(request, response, token)
    return response


def text(request: Request, key: str, **values: object) -> str:
    """Return a text in the reader's language."""
    return PAGES.texts(request)[key].format(**values)
