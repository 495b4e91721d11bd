"""The language of our pages: what somebody has chosen, else what the browser prefers."""

from typing import Final, Literal

from starlette.requests import HTTPConnection
from starlette.responses import Response

from aggregation_pipeline.web.common.peers import is_tls

Language = Literal["en", "zh"]
_COOKIE: Final = "aggregation_language"
_QUERY: Final = "lang"
_YEAR: Final = 365 * 24 * 3600
_CHOICES: Final[dict[str, Language]] = {"en": "en", "zh": "zh"}


def language_of(connection: HTTPConnection) -> Language:
    """Return the language of the answer."""
    chosen = _CHOICES.get(connection.query_params.get(_QUERY, "")) or _CHOICES.get(connection.cookies.get(_COOKIE, ""))
    return chosen or _preferred(connection.headers.get("accept-language", ""))


def keep_language(connection: HTTPConnection, response: Response) -> None:
    """Let the browser keep the language that `?lang=` chooses."""
    if (chosen := _CHOICES.get(connection.query_params.get(_QUERY, ""))) is not None:
        response.set_cookie(
            _COOKIE, chosen, max_age=_YEAR, path="/", secure=is_tls(connection), httponly=True, samesite="lax"
        )


def _preferred(header: str) -> Language:
    """Return the language with the highest weight in Accept-Language; the first of equal ones, and English for none."""
    weighted: list[tuple[float, Language]] = []
    for part in header[:1000].split(","):
        name, _, weight = part.strip().partition(";")
        language = _CHOICES.get(name.strip().partition("-")[0].lower())
        if language is not None:
            try:
                weighted.append((float(weight.strip().removeprefix("q=") or 1), language))
            except ValueError:
                continue
    return max(weighted, key=lambda each: each[0], default=(0.0, "en"))[1]
