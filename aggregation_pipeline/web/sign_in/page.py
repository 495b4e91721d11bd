"""Our pages as answers: rendered, in the reader's language, with headers that let them run and load nothing."""

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from aggregation_pipeline.web.sign_in import cookies
from aggregation_pipeline.web.sign_in.language import keep_language, language_of
from aggregation_pipeline.web.sign_in.texts import texts_in

_templates: Final = Environment(
    loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_STYLE: Final = resources.files(__package__).joinpath("templates", "style.css").read_text(encoding="utf-8")
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # `form-action` holds for redirects after a form too, so it stays out of a sign-in that another site answers: that
    # one begins with a link.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
}


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
    language = language_of(request)
    texts = texts_in(language)
    token = cookies.form_token(request)
    query = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
    other = urlencode([*query, ("lang", "en" if language == "zh" else "zh")])
    response = HTMLResponse(
        _templates.get_template(template).render(
            t=texts,
            language=language,
            # A form's answer cannot be asked for again in another language.
            switch=f"?{other}" if request.method == "GET" else None,
            prefix=request.scope.get("root_path", ""),
            form_token=token,
            problem=texts.get(problem, problem) if problem else None,
            **values,
        ),
        status,
        {**_HEADERS, **(headers or {})},
    )
    keep_language(request, response)
    cookies.set_form_token(request, response, token)
    return response


def text(request: Request, key: str, **values: object) -> str:
    """Return a text in the reader's language."""
    return texts_in(language_of(request))[key].format(**values)


async def show_style(request: Request) -> Response:
    """Return the style of our pages."""
    return Response(
        _STYLE,
        media_type="text/css",
        headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "ETag": _ETAG},
        status_code=200 if request.headers.get("if-none-match") != _ETAG else 304,
    )


_ETAG: Final = f'"{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()[:12]).decode()}"'
