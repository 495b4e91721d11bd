"""Who sends a request: by a token, by the header of a listed proxy, or by a session."""

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal

from starlette.requests import HTTPConnection

from aggregation_pipeline.access.accounts import PREFIX
from aggregation_pipeline.access.names import checked_name
from aggregation_pipeline.access.roles import Principal
from aggregation_pipeline.access.sessions import Session
from aggregation_pipeline.errors import AccessError
from aggregation_pipeline.web.common.peers import address_of, is_listed
from aggregation_pipeline.web.common.principal import LOCAL
from aggregation_pipeline.web.sign_in import cookies
from aggregation_pipeline.web.sign_in.access import Access

# A page of Dagster's asks for forty files at once. For so long one answer of PostgreSQL serves them all, and a session
# that was ended elsewhere goes on.
_FRESH_SECONDS: Final = 2.0
_MOST_REMEMBERED: Final = 1000


@dataclass(frozen=True)
class Identity:
    """Who it is, and how that is known.

    Attributes:
        must_change: the password was made by a program, and nothing else is allowed before it is changed.
        session: None without one.
    """

    principal: Principal
    by: Literal["everybody", "token", "proxy", "session"]
    must_change: bool = False
    session: Session | None = None


class Identification:
    """Finds out who sends a request. To be used in one event loop."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._known: OrderedDict[str, tuple[float, asyncio.Task[Session | None]]] = OrderedDict()

    async def identify(self, connection: HTTPConnection) -> Identity | None:
        """Return who it is; None for nobody.

        A token or header that is not good is nobody too, whatever else the request has.

        Raises:
            AccessBusyError: it cannot be found out now.
        """
        access = self._access
        if await access.lets_in_without_sign_in(connection):
            return Identity(LOCAL, "everybody")
        if (token := _token(connection)) is not None:
            principal = await access.files.run(access.accounts.verify_token, token)
            if principal is None:
                return None
            access.token_use.note(principal, address_of(connection))
            return Identity(principal, "token")
        if (name := self._name_by_proxy(connection)) is not None:
            principal = await access.files.run(self._person, connection, name)
            return Identity(principal, "proxy") if principal else None
        secret = cookies.session_secret(connection)
        return await self._by_session(secret) if secret else None

    def forget(self, connection: HTTPConnection) -> None:
        """Ask PostgreSQL again for the session of this request."""
        self._known.pop(cookies.session_secret(connection) or "", None)

    def _name_by_proxy(self, connection: HTTPConnection) -> str | None:
        header = self._access.settings.sign_in_header
        values = connection.headers.getlist(header) if header and is_listed(connection) else []
        # Two headers: the proxy has passed on what somebody else has sent.
        return values[0] if len(values) == 1 and values[0] else None

    def _person(self, connection: HTTPConnection, text: str) -> Principal | None:
        """Return who a listed proxy names: with the role of the account, if there is one, else that of the groups."""
        # Headers are bytes. Those who put names of other scripts there use UTF-8.
        text = text.encode("latin-1").decode("utf-8", "replace")
        try:
            name = checked_name(text, of="user")
        except AccessError:
            return None
        if self._access.accounts.user(name) is not None:
            return self._access.accounts.principal(name)
        header = self._access.settings.sign_in_groups_header
        values = connection.headers.getlist(header) if header else []
        role = self._access.settings.role_of_groups({group.strip() for value in values for group in value.split(",")})
        return None if role is None else Principal(name, role)

    async def _by_session(self, secret: str) -> Identity | None:
        session = await self._session(secret)
        return None if session is None else await self._access.files.run(self._by_account, session)

    def _by_account(self, session: Session) -> Identity | None:
        accounts = self._access.accounts
        if not session.still_holds(accounts):
            return None
        account = accounts.user(session.principal.name) if session.account_version is not None else None
        return Identity(session.principal, "session", account is not None and account.must_change, session)

    async def _session(self, secret: str) -> Session | None:
        now = time.monotonic()
        at, asking = self._known.get(secret, (now, None))
        # What has failed is asked again, by the next request.
        if asking is None or now - at > _FRESH_SECONDS or (asking.done() and asking.exception() is not None):
            asking = asyncio.create_task(self._access.database.run(self._access.sessions.principal_of, secret))
            self._known[secret] = (now, asking)
            if len(self._known) > _MOST_REMEMBERED:
                self._known.popitem(last=False)
        # Who asked first may go away before the answer.
        return await asyncio.shield(asking)


def _token(connection: HTTPConnection) -> str | None:
    """Return the token of a request; None if it has none. A listed proxy may send a bearer token of its own."""
    scheme, _, text = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or (is_listed(connection) and not text.startswith(PREFIX)):
        return None
    return text.strip()
