"""Our pages as answers: rendered, in the reader's language, with headers that let them run and load nothing."""

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, PrefixLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from aggregation_pipeline.web.common.language import keep_language, language_of

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # `form-action` holds for redirects after a form too, so it stays out of a sign-in that another site answers: that
    # one begins with a link.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none';"
    " frame-ancestors 'none'",
}
_TEMPLATES: Final = "templates"
_STYLE: Final = "style.css"
_COMMON: Final = "aggregation_pipeline.web.common"
# In English and in Chinese.
Texts = Mapping[str, tuple[str, str]]
_TEXTS: Final[Texts] = {
    "service": ("Aggregation pipeline", "数据聚合管道"),
    "other_language": ("中文", "English"),
}


class Pages:
    """The pages of one package: templates and a style in its folder `templates`, which go on from those in this one.

    `texts` are its own, and `style_path` is where its style is served.
    """

    def __init__(self, package: str, texts: Texts, style_path: str) -> None:
        self._texts = {
            language: {key: pair[number] for key, pair in {**_TEXTS, **texts}.items()}
            for number, language in enumerate(("en", "zh"))
        }
        self.style_path = style_path
        self.environment = Environment(
            loader=PrefixLoader({"common": PackageLoader(_COMMON), "own": PackageLoader(package)}),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            # Templates that an upgrade has replaced belong to code that is not loaded yet.
            auto_reload=False,
        )
        sheets = (resources.files(each).joinpath(_TEMPLATES, _STYLE) for each in (_COMMON, package))
        self._style = "".join(sheet.read_text(encoding="utf-8") for sheet in sheets)
        self._etag = f'"{base64.b64encode(hashlib.sha256(self._style.encode()).digest()[:12]).decode()}"'

    def texts(self, request: Request) -> Mapping[str, str]:
        """Return all texts in the reader's language, by their keys."""
        return self._texts[language_of(request)]

    def show(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: object,
    ) -> Response:
        """Return a page."""
        language = language_of(request)
        query = [(key, value) for key, value in request.query_params.multi_items() if key != "lang"]
        other = urlencode([*query, ("lang", "en" if language == "zh" else "zh")])
        response = HTMLResponse(
            self.environment.get_template(f"own/{template}").render(
                t=self._texts[language],
                language=language,
                # A form's answer cannot be asked for again in another language.
                switch=f"?{other}" if request.method == "GET" else None,
                prefix=request.scope.get("root_path", ""),
                style=self.style_path,
                **values,
            ),
            status,
            {**_HEADERS, **(headers or {})},
        )
        keep_language(request, response)
        return response

    async def show_style(self, request: Request) -> Response:
        """Return the style of these pages."""
        headers = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff", "ETag": self._etag}
        if request.headers.get("if-none-match") == self._etag:
            return Response(status_code=304, headers=headers)
        return Response(self._style, media_type="text/css", headers=headers)
