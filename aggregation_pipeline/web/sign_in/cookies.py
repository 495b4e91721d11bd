"""Our cookies: the session's, that of our forms, and that of somebody whom we have sent to a provider."""

import hmac
import secrets

from starlette.requests import HTTPConnection
from starlette.responses import Response

from aggregation_pipeline.web.common.peers import is_tls
from aggregation_pipeline.web.sign_in import sealed_attempts

_SESSION = "aggregation_session"
_FORM = "aggregation_form"
_ATTEMPT = "aggregation_attempt"
_LONGEST = 200


def session_secret(connection: HTTPConnection) -> str | None:
    """Return the secret of the browser's session; None if it has none."""
    return _read(connection, _SESSION)


def set_session(connection: HTTPConnection, response: Response, secret: str) -> None:
    """Let the browser keep the secret until it is closed; the session may end before.

    Links from other sites lead into the session (`lax`); their forms and scripts do not.
    """
    _set(connection, response, _SESSION, secret)


def forget_session(connection: HTTPConnection, response: Response) -> None:
    """Let the browser forget the secret."""
    _forget(connection, response, _SESSION)


def form_token(connection: HTTPConnection) -> str:
    """Return what each of our forms carries. A page of another site cannot read it, so it cannot send it."""
    return _read(connection, _FORM) or secrets.token_urlsafe(24)


def set_form_token(connection: HTTPConnection, response: Response, token: str) -> None:
    """Let the browser keep the token of our forms, to be compared when a form comes in."""
    _set(connection, response, _FORM, token)


def is_own_form(connection: HTTPConnection, sent: str) -> bool:
    """Return whether a form with this token was one of ours."""
    kept = _read(connection, _FORM)
    return kept is not None and hmac.compare_digest(kept.encode(), sent.encode("utf-8", "replace"))


def attempt(connection: HTTPConnection) -> str | None:
    """Return the sealed attempt with which the browser was sent to the provider."""
    return _read(connection, _ATTEMPT, sealed_attempts.LONGEST)


def set_attempt(connection: HTTPConnection, response: Response, sealed: str) -> None:
    """Let the browser keep the attempt until it comes back."""
    _set(connection, response, _ATTEMPT, sealed)


def forget_attempt(connection: HTTPConnection, response: Response) -> None:
    """Let the browser forget the attempt: each counts once."""
    _forget(connection, response, _ATTEMPT)


def _name(connection: HTTPConnection, name: str) -> str:
    # With `__Host-` no other host, and no page without TLS, can set the cookie; browsers take it by https only. On this
    # machine people also come by plain http, and so there is another name, which counts nowhere else.
    return f"__Host-{name}" if is_tls(connection) else name


def _read(connection: HTTPConnection, name: str, longest: int = _LONGEST) -> str | None:
    value = connection.cookies.get(_name(connection, name), "")
    return value if 0 < len(value) <= longest else None


def _set(connection: HTTPConnection, response: Response, name: str, value: str) -> None:
    response.set_cookie(
        _name(connection, name), value, path="/", secure=is_tls(connection), httponly=True, samesite="lax"
    )


def _forget(connection: HTTPConnection, response: Response, name: str) -> None:
    response.delete_cookie(_name(connection, name), secure=is_tls(connection), httponly=True, samesite="lax")
