"""Which requests are refused, and with which message.

A page of another site can make a browser send requests to this service. They must not do anything here.

Dagster itself does not check: it executes mutations that come by GET or by a POST that any page may send, and its
websocket opens for everybody. A browser says where a request comes from (Origin, Sec-Fetch-Site), and a page cannot
change that. A program says nothing and is let in: whoever can start programs on this machine needs no browser to do
harm.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.requests import HTTPConnection

from aggregation_pipeline.web.gate.hosts import OwnHosts

_SAFE_METHODS: Final = ("GET", "HEAD")
_OWN_SITES: Final = ("same-origin", "none")
# Reading a query takes time, and nobody has signed in yet.
_LONGEST_QUERY: Final = 8_000
# A browser asks first (CORS preflight) before it sends these for a page of another site, and we never allow it.
_GRAPHQL_TYPES: Final = ("application/json", "application/graphql")


@dataclass(frozen=True)
class Refusal:
    """An answer instead of Dagster's: the HTTP status, and a message for people who meant no harm."""

    status: int
    message: str


def refusal(connection: HTTPConnection, own: OwnHosts, open_paths: Collection[str] = ()) -> Refusal | None:
    """Return why this request or websocket is refused; None if it may pass.

    `open_paths` may be read under every Host, and under none: what they answer is no secret.
    """
    hosts = connection.headers.getlist("host")
    host = hosts[0] if len(hosts) == 1 else ""
    if not own.know(host) and not _is_open(connection, open_paths):
        return Refusal(
            403,
            f"Nothing is served under the host {', '.join(map(ascii, hosts))[:200] or 'of no name'}. Open the address"
            " that the service printed when it started, such as http://127.0.0.1:3000. If people reach it by another"
            " name, add that name to ALLOWED_HOSTS.",
        )
    if _is_foreign(connection, own, host):
        return Refusal(
            403,
            "A page of another site sent this request, so it was refused. If it came from Dagster's own UI, the proxy"
            " in front of it changes the headers Host or Origin: it has to pass both on, and its name belongs in"
            " ALLOWED_HOSTS.",
        )
    if b"%00" in connection.scope["query_string"] or "\0" in connection.scope["path"]:
        # PostgreSQL and the file system take it in no text, and none of our names holds it.
        return Refusal(400, "The address holds the character U+0000.")
    return _badly_sent(connection) if _is_graphql(connection) and connection.scope["type"] == "http" else None


def _is_open(connection: HTTPConnection, open_paths: Collection[str]) -> bool:
    # Exactly as the routes have it, with or without a slash at the end.
    return (
        connection.scope["type"] == "http"
        and connection.scope["method"] in _SAFE_METHODS
        and connection.scope["path"].removesuffix("/") in open_paths
    )


def _is_foreign(connection: HTTPConnection, own: OwnHosts, host: str) -> bool:
    headers = connection.headers
    scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
    origins = headers.getlist("origin")
    if not all(own.own(origin, host, scheme) for origin in origins):
        return True
    acts = (
        connection.scope["type"] == "websocket"
        or connection.scope["method"] not in _SAFE_METHODS
        or _asks_graphql(connection)
    )
    if not all(site in _OWN_SITES for site in headers.getlist("sec-fetch-site")):
        # People may follow a link to one of our pages from a mail or a chat. Our pictures, scripts and frames are only
        # for our own pages.
        is_link = headers.getlist("sec-fetch-mode") == ["navigate"] and headers.getlist("sec-fetch-dest") == [
            "document"
        ]
        return acts or not is_link
    referers = [] if origins else headers.getlist("referer")
    return acts and not all(own.own("/".join(referer.split("/", 3)[:3]), host, scheme) for referer in referers)


def _is_graphql(connection: HTTPConnection) -> bool:
    return str(connection.scope["path"]).rstrip("/").endswith("/graphql")


def _asks_graphql(connection: HTTPConnection) -> bool:
    return _is_graphql(connection) and "query" in connection.query_params


def _badly_sent(connection: HTTPConnection) -> Refusal | None:
    """Refuse GraphQL that is sent in a way in which a page of another site can send it too."""
    if connection.scope["method"] in _SAFE_METHODS:
        queries = connection.query_params.getlist("query")
        if sum(map(len, queries)) > _LONGEST_QUERY:
            return Refusal(414, f"An address may hold {_LONGEST_QUERY:,} characters of a query. Send it as POST.")
        return next(filter(None, map(_refuse_mutation, queries)), None)
    types = [text.partition(";")[0].strip().lower() for text in connection.headers.getlist("content-type")]
    if connection.scope["method"] == "POST" and (len(types) != 1 or types[0] not in _GRAPHQL_TYPES):
        return Refusal(
            415, 'GraphQL is taken as JSON only: POST {"query": ...} with the header Content-Type: application/json.'
        )
    return None


def _refuse_mutation(query: str) -> Refusal | None:
    try:
        document = parse(query)
    except GraphQLError as error:
        return Refusal(400, f"The query cannot be read: {error.message}")
    except RecursionError:
        return Refusal(400, "The query is nested too deeply.")
    operations = [each.operation for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    # All operations of the document count: operationName chooses one of them later.
    if all(operation == OperationType.QUERY for operation in operations):
        return None
    return Refusal(
        405, 'A GET only reads. Send mutations as POST {"query": ...} with the header Content-Type: application/json.'
    )
