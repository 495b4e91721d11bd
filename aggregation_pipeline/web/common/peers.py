"""Who is at the other end of a connection: a proxy that is listed in TRUSTED_PROXIES, or anybody else."""

import ipaddress
from collections.abc import Collection

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from aggregation_pipeline.config.hosts_and_urls import is_loopback
from aggregation_pipeline.settings.access import Network

_LISTED = "aggregation_pipeline.listed_proxy"


class Peers:
    """ASGI middleware: what a listed proxy says of the client's address and of https is believed, and nobody else."""

    def __init__(self, app: ASGIApp, listed: Collection[Network]) -> None:
        self._app = app
        self._listed = listed
        self._forwarded: ASGIApp = ProxyHeadersMiddleware(app, [str(each) for each in listed])  # type: ignore[arg-type, assignment]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or one websocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        is_listed = _is_listed(scope, self._listed)
        # A copy: the server writes the scheme and the address of its own scope into its log.
        await (self._forwarded if is_listed else self._app)({**scope, _LISTED: is_listed}, receive, send)


def is_listed(connection: HTTPConnection) -> bool:
    """Return whether a listed proxy has sent this."""
    return bool(connection.scope.get(_LISTED))


def address_of(connection: HTTPConnection) -> str:
    """Return the address of the client, as far as it is known."""
    return connection.client.host if connection.client else "unknown"


def is_tls(connection: HTTPConnection) -> bool:
    """Return whether the browser has sent this by https."""
    return connection.url.scheme in {"https", "wss"}


def is_this_machine(connection: HTTPConnection) -> bool:
    """Return whether the client is on this machine, so that nobody listens in between."""
    return connection.client is not None and is_loopback(connection.client.host)


def _is_listed(scope: Scope, listed: Collection[Network]) -> bool:
    try:
        address = ipaddress.ip_address((scope.get("client") or ("",))[0])
    except ValueError:
        return False
    # A socket that listens on IPv6 shows addresses of IPv4 as ::ffff:10.0.0.1.
    plain = getattr(address, "ipv4_mapped", None) or address
    return any(plain in network for network in listed)
