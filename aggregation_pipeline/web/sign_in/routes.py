"""Sign-in, sign-out and the page of one's account."""

import functools
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aggregation_pipeline.access.editing import set_password
from aggregation_pipeline.access.names import normalized_name
from aggregation_pipeline.access.roles import Principal
from aggregation_pipeline.errors import AccessBusyError, AccessError
from aggregation_pipeline.web.common.peers import address_of, is_this_machine, is_tls
from aggregation_pipeline.web.common.quiet_log import OnceAMinute
from aggregation_pipeline.web.sign_in import cookies
from aggregation_pipeline.web.sign_in.access import Access
from aggregation_pipeline.web.sign_in.authentication import IDENTITY
from aggregation_pipeline.web.sign_in.forms import BadFormError, own_path, read_form
from aggregation_pipeline.web.sign_in.identity import Identification, Identity
from aggregation_pipeline.web.sign_in.oidc import NoAccessError, Provider, ProviderError
from aggregation_pipeline.web.sign_in.page import PAGES, show, text

_log = logging.getLogger(__name__)
_log.addFilter(OnceAMinute())

# In the audit log, who tried to sign in under a name that no account has.
UNKNOWN_NAME: Final = "unknown name"
# Where a provider sends people back to.
_BACK: Final = "/sign-in/oidc/callback"


def sign_in_routes(access: Access, identification: Identification) -> list[Route]:
    """Return the routes of our pages."""
    pages = _Pages(access, identification)
    return [
        Route("/sign-in", pages.show_sign_in),
        Route("/sign-in", _told(pages.sign_in), methods=["POST"]),
        Route(PAGES.style_path, PAGES.show_style),
        Route("/sign-in/oidc", pages.leave_for_provider),
        Route(_BACK, _told(pages.come_back)),
        Route("/sign-out", _told(pages.sign_out), methods=["POST"]),
        Route("/account", pages.show_account),
        Route("/account/password", pages.show_password),
        Route("/account/password", _told(pages.change_password), methods=["POST"]),
    ]


_Handler = Callable[[Request], Awaitable[Response]]


def _told(handler: _Handler) -> _Handler:
    """Answer a form that cannot be taken with the sign-in page, which says why."""

    @functools.wraps(handler)
    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except BadFormError as error:
            return _sign_in_page(request, status=error.status, problem="stale")
        except AccessError as error:
            _log.warning("%s: %s", request.scope["path"], error)
            return _sign_in_page(request, status=503, problem="busy", headers={"Retry-After": "5"})

    return answer


class _Pages:
    def __init__(self, access: Access, identification: Identification) -> None:
        self._access = access
        self._identification = identification
        self._provider = Provider(access.settings) if access.settings.oidc_issuer else None

    async def show_sign_in(self, request: Request) -> Response:
        """The form; those who have signed in go on."""
        next_path = own_path(request.query_params.get("next", ""), _prefix(request))
        try:
            identity = await self._identification.identify(request)
        except AccessError:
            identity = None
        if identity is not None:
            return _go(next_path)
        if not self._is_private(request):
            return _sign_in_page(request, status=403, problem="no_tls")
        return _sign_in_page(request, next_path=next_path, has_provider=self._provider is not None)

    async def sign_in(self, request: Request) -> Response:
        """Begin a session, if name and password are right. The answer never tells which of them is wrong."""
        if not self._is_private(request):
            return _sign_in_page(request, status=403, problem="no_tls")
        form = await read_form(request)
        name, next_path = form.get("name", ""), own_path(form.get("next", ""), _prefix(request))
        page = functools.partial(
            _sign_in_page, request, next_path=next_path, name=name, has_provider=self._provider is not None
        )
        if (seconds := self._access.attempts.wait(name, address_of(request))) > 0:
            return _too_often(request, seconds, page)
        principal = await self._verified(request, name, form.get("password", ""))
        if principal is None:
            await self._access.note(request, await self._known_name(name), "sign-in", "failed")
            return page(status=403, problem="wrong")
        self._access.attempts.succeeded(name, address_of(request))
        response = _go(next_path)
        await self._begin_for_account(request, response, principal)
        await self._access.note(request, principal.name, "sign-in", "ok")
        return response

    async def leave_for_provider(self, request: Request) -> Response:
        """Send somebody to the provider."""
        prefix = _prefix(request)
        if self._provider is None or not self._is_private(request):
            return _go(f"{prefix}/sign-in")
        try:
            next_path = own_path(request.query_params.get("next", ""), prefix)
            return await self._provider.leave(request, f"{prefix}{_BACK}", next_path)
        except ProviderError as error:
            return self._failed_there(request, error)

    async def come_back(self, request: Request) -> Response:
        """Begin a session of somebody whom the provider has sent back."""
        if self._provider is None:
            return _go(f"{_prefix(request)}/sign-in")
        response = await self._come_back(request, self._provider)
        cookies.forget_attempt(request, response)
        return response

    async def _come_back(self, request: Request, provider: Provider) -> Response:
        try:
            principal, next_path = await provider.come_back(request)
        except ProviderError as error:
            return self._failed_there(request, error)
        except NoAccessError as error:
            await self._access.note(request, error.name, "sign-in", "refused", {"by": "oidc"})
            return _sign_in_page(request, status=403, problem="no_access", has_provider=True)
        response = _go(own_path(next_path, _prefix(request)))
        await self._begin(request, response, principal, None)
        await self._access.note(request, principal.name, "sign-in", "ok", {"by": "oidc"})
        return response

    def _failed_there(self, request: Request, error: ProviderError) -> Response:
        _log.warning("OIDC_ISSUER=%s: %s", self._access.settings.oidc_issuer, error)
        return _sign_in_page(request, status=502, problem="provider_failed", has_provider=True)

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        await read_form(request)
        response = _go(f"{_prefix(request)}/sign-in")
        await self._end(request)
        cookies.forget_session(request, response)
        await self._access.note(request, _identity(request).principal.name, "sign-out", "ok")
        return response

    async def show_account(self, request: Request) -> Response:
        """Who has signed in, and how to sign out."""
        identity = _identity(request)
        session = identity.session
        return show(
            request,
            "account.html",
            identity=identity,
            since=session.started_at.astimezone().strftime("%Y-%m-%d %H:%M %Z") if session else None,
            has_password=_has_password(identity),
        )

    async def show_password(self, request: Request) -> Response:
        """The form for another password."""
        return _password_page(request)

    async def change_password(self, request: Request) -> Response:
        """Set another password. That ends all sessions of the account, and this one begins anew."""
        form = await read_form(request)
        identity = _identity(request)
        if not _has_password(identity):
            return _password_page(request, status=403)
        name, new = identity.principal.name, form.get("new", "")
        if (seconds := self._access.attempts.wait(name, address_of(request))) > 0:
            return _too_often(request, seconds, functools.partial(_password_page, request))
        if await self._verified(request, name, form.get("current", "")) is None:
            await self._access.note(request, name, "users passwd", "failed")
            return _password_page(request, status=403, problem="current_wrong")
        self._access.attempts.succeeded(name, address_of(request))
        if new != form.get("repeat", "") or new == form.get("current", ""):
            return _password_page(request, status=422, problem="same" if new == form.get("repeat", "") else "differ")
        path = self._access.settings.auth_path
        try:
            await self._access.passwords.run(set_password, path, name, new)
        except AccessBusyError:
            raise
        except AccessError as error:
            return _password_page(request, status=422, problem=text(request, "refused", reason=error))
        response = _go(f"{_prefix(request)}/account")
        await self._begin_for_account(request, response, identity.principal)
        await self._access.note(request, name, "users passwd", "ok")
        return response

    async def _verified(self, request: Request, name: str, password: str) -> Principal | None:
        try:
            return await self._access.passwords.run(self._access.accounts.verify_password, name, password)
        except AccessBusyError:
            self._access.attempts.not_judged(name, address_of(request))
            raise

    async def _known_name(self, name: str) -> str:
        """Return the name if there is such an account. Else nobody may read it: people type passwords there too."""
        user = await self._access.files.run(self._access.accounts.user, name)
        return UNKNOWN_NAME if user is None else normalized_name(name)

    async def _begin_for_account(self, request: Request, response: Response, principal: Principal) -> None:
        user = await self._access.files.run(self._access.accounts.user, principal.name)
        await self._begin(request, response, principal, user.version if user else None)

    async def _begin(self, request: Request, response: Response, principal: Principal, version: int | None) -> None:
        """Begin a session. One that the browser had ends: its secret is never used for another."""
        access = self._access
        begin = functools.partial(access.sessions.begin, account_version=version)
        secret = await access.database.run(begin, principal, address_of(request))
        await self._end(request)
        cookies.set_session(request, response, secret)

    async def _end(self, request: Request) -> None:
        if (secret := cookies.session_secret(request)) is not None:
            await self._access.database.run(self._access.sessions.end, secret)
            self._identification.forget(request)

    def _is_private(self, request: Request) -> bool:
        """Whether nobody on the way can read a password."""
        return is_tls(request) or is_this_machine(request) or self._access.settings.allow_sign_in_over_http


def _sign_in_page(
    request: Request,
    *,
    next_path: str = "",
    name: str = "",
    status: int = 200,
    problem: str | None = None,
    headers: Mapping[str, str] | None = None,
    has_provider: bool = False,
) -> Response:
    return show(
        request,
        "sign_in.html",
        status=status,
        problem=problem,
        headers=headers,
        may_sign_in=problem != "no_tls",
        name=name[:200],
        next=next_path,
        next_query=urlencode({"next": next_path}),
        has_provider=has_provider,
    )


def _password_page(
    request: Request, *, status: int = 200, problem: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    identity = _identity(request)
    return show(
        request,
        "password.html",
        status=status,
        problem=problem,
        headers=headers,
        identity=identity,
        has_password=_has_password(identity),
    )


def _too_often(request: Request, seconds: float, page: Callable[..., Response]) -> Response:
    whole = math.ceil(seconds)
    return page(status=429, problem=text(request, "wait", seconds=whole), headers={"Retry-After": str(whole)})


def _has_password(identity: Identity) -> bool:
    return identity.session is not None and identity.session.account_version is not None


def _identity(request: Request) -> Identity:
    identity: Identity = request.scope[IDENTITY]
    return identity


def _prefix(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def _go(path: str) -> Response:
    # 303: whatever was sent, the next request is a GET.
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})
