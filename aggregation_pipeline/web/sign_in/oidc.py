"""Signing in with OpenID Connect: discovery, PKCE, nonce and signatures are Authlib's; who may do what is ours.

Somebody is whom the provider (`iss`) calls by `sub`. Names there may be changed, and given to somebody else, so nobody
gets an account of AUTH_FILE by them.
"""

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from aggregation_pipeline.access.names import LONGEST_NAME
from aggregation_pipeline.access.roles import Principal
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.sign_in import cookies
from aggregation_pipeline.web.sign_in.sealed_attempts import SealedAttempts

_NAME: Final = "provider"
_TIMEOUT_SECONDS: Final = 5.0
# Signed by a key that only the provider has. A provider may offer others too, even none.
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_WHO_DIGITS: Final = 16
# What providers say, by OAuth and OpenID Connect.
_ERRORS: Final = (
    *("invalid_request", "invalid_client", "invalid_grant", "invalid_scope", "unauthorized_client", "access_denied"),
    *("unsupported_grant_type", "unsupported_response_type", "server_error", "temporarily_unavailable"),
    *("login_required", "consent_required", "interaction_required", "account_selection_required"),
    "mismatching_state",
)
_NO_LETTERS: Final = re.compile(r"[^\w.@-]+")


class ProviderError(Exception):
    """The provider does not answer, or has not said who it is. The message is for the log."""


class NoAccessError(Exception):
    """The provider knows somebody who is in none of the groups that have access. `name` is theirs."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Provider:
    """The provider that OIDC_ISSUER names. Nothing is asked of it before somebody signs in."""

    def __init__(self, settings: Settings) -> None:
        # Authlib advises another version of its HTTP client, which nothing here needs.
        with warnings.catch_warnings():
            from authlib.deprecate import AuthlibDeprecationWarning

            warnings.simplefilter("ignore", AuthlibDeprecationWarning)
            from authlib.integrations.starlette_client import OAuth

        if settings.oidc_issuer is None or settings.oidc_client_secret is None:
            raise ValueError("OIDC_ISSUER and OIDC_CLIENT_SECRET are needed.")
        self._settings = settings
        self._issuer = settings.oidc_issuer
        # Known to all web processes of the deployment, and to nobody else.
        self._sealed = SealedAttempts(settings.oidc_client_secret.get_secret_value())
        self._client: Any = OAuth().register(
            _NAME,
            client_id=settings.oidc_client_id,
            client_secret=settings.oidc_client_secret.get_secret_value(),
            server_metadata_url=f"{self._issuer.rstrip('/')}/.well-known/openid-configuration",
            client_kwargs={
                "scope": settings.oidc_scopes,
                "code_challenge_method": "S256",
                "timeout": _TIMEOUT_SECONDS,
            },
        )

    async def leave(self, request: Request, back: str, next_path: str) -> Response:
        """Send somebody to the provider, which sends them `back` (a path of ours); then they go on to `next_path`.

        Raises:
            ProviderError: it cannot be asked.
        """
        back = f"{request.url.scheme}://{request.url.netloc}{back}"
        try:
            await self._read_metadata()
            made = await self._client.create_authorization_url(back)
        except Exception as error:
            raise _explained(error) from error
        response = RedirectResponse(made.pop("url"), 303, {"Cache-Control": "no-store"})
        # The browser that comes back has to be the one that was sent.
        attempt = {**made, "redirect_uri": back, "next": next_path}
        cookies.set_attempt(request, response, self._sealed.seal(attempt))
        return response

    async def come_back(self, request: Request) -> tuple[Principal, str]:
        """Return who has come back, and where they go on to. The browser has to forget its attempt then.

        Raises:
            ProviderError: the provider has not said who it is, or not in answer to us.
            NoAccessError: it is somebody without access.
        """
        attempt = self._sealed.open(cookies.attempt(request) or "")
        if not attempt:
            raise ProviderError("somebody has come back who was not sent, or too long ago")
        request.scope["session"] = {f"_state_{_NAME}_{attempt['state']}": {"data": attempt}}
        try:
            await self._read_metadata()
            options = {
                "iss": {"essential": True, "values": [self._issuer]},
                "aud": {"essential": True, "values": [self._settings.oidc_client_id]},
            }
            token = await self._client.authorize_access_token(request, claims_options=options)
            claims = await self._claims(token)
        except Exception as error:
            raise _explained(error) from error
        return self._principal(claims), attempt["next"]

    async def _read_metadata(self) -> None:
        metadata = await self._client.load_server_metadata()
        offered = metadata.get("id_token_signing_alg_values_supported") or ()
        metadata["id_token_signing_alg_values_supported"] = [each for each in offered if each in _ALGORITHMS] or [
            "RS256"
        ]

    async def _claims(self, token: Mapping[str, Any]) -> Mapping[str, Any]:
        claims = token.get("userinfo")
        if not claims or not claims.get("sub"):
            raise ProviderError("it has sent no ID token. OIDC_SCOPES needs openid")
        metadata = await self._client.load_server_metadata()
        if self._settings.oidc_groups_claim in claims or not metadata.get("userinfo_endpoint"):
            return dict(claims)
        more = await self._client.userinfo(token=token)
        if more.get("sub") != claims["sub"]:
            raise ProviderError("its two answers are about two people")
        return {**more, **claims}

    def _principal(self, claims: Mapping[str, Any]) -> Principal:
        named = str(claims.get(self._settings.oidc_name_claim) or claims.get("email") or "")
        shown = _NO_LETTERS.sub("-", named)[:LONGEST_NAME].strip("-").lower()
        # Two people never have the same name, and no account of AUTH_FILE can have such a one.
        who = hashlib.sha256(json.dumps([self._issuer, str(claims["sub"])]).encode()).hexdigest()[:_WHO_DIGITS]
        name = f"{shown}#{who}"
        groups = claims.get(self._settings.oidc_groups_claim) or ()
        role = self._settings.role_of_groups(
            {groups} if isinstance(groups, str) else {group for group in groups if isinstance(group, str)}
        )
        if role is None:
            raise NoAccessError(name)
        return Principal(name, role)


def _explained(error: Exception) -> ProviderError:
    if isinstance(error, ProviderError):
        return error
    # Their messages may quote what was sent, which holds codes. And anybody can send an `error` of any words.
    said = getattr(error, "error", "")
    return ProviderError(f"{type(error).__name__}{f' ({said})' if said in _ERRORS else ''}")
