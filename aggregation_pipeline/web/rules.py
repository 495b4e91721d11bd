"""Which requests are refused, and in which words: what a page of another site makes a browser send must not do anything
here.

Dagster itself asks nobody: it executes mutations that come by GET, or by a POST that every page may send, and its
websocket opens for all. A browser says where a request comes from (Origin, Sec-Fetch-Site), and a page cannot change
that. A program says nothing, and is let in: whoever starts programs on this machine needs no browser to do harm.
"""

from dataclasses import dataclass
from typing import Final

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.requests import HTTPConnection

from aggregation_pipeline.web.hosts import OwnHosts

_SAFE: Final = ("GET", "HEAD")
_OWN_SITES: Final = ("same-origin", "none")
# A page of another site cannot send these without asking first, which is never answered.
_GRAPHQL_TYPES: Final = ("application/json", "application/graphql")


@dataclass(frozen=True)
class Refusal:
    """An answer instead of Dagster's: the status of HTTP, and words for whoever sent the request in good faith."""

    status: int
    words: str


def refusal(connection: HTTPConnection, own: OwnHosts) -> Refusal | None:
    """Why this request, or websocket, is not let through to Dagster; None where it is."""
    hosts = connection.headers.getlist("host")
    if len(hosts) != 1 or not own.know(hosts[0]):
        return Refusal(
            403,
            f"Nothing is served under the host {', '.join(map(ascii, hosts))[:200] or 'of no name'}. Open the address"
            " that the service printed when it started, such as http://127.0.0.1:3000. If people reach it by another"
            " name, add that name to ALLOWED_HOSTS.",
        )
    if _is_foreign(connection, own, hosts[0]):
        return Refusal(
            403,
            "A page of another site sent this request, so it was refused. If it came from Dagster's own UI, the proxy"
            " in front of it changes the headers Host or Origin: it has to pass both on, and its name belongs in"
            " ALLOWED_HOSTS.",
        )
    return _badly_sent(connection) if _is_graphql(connection) and connection.scope["type"] == "http" else None


def _is_foreign(connection: HTTPConnection, own: OwnHosts, host: str) -> bool:
    headers = connection.headers
    scheme = {"ws": "http", "wss": "https"}.get(connection.url.scheme, connection.url.scheme)
    origins = headers.getlist("origin")
    if not all(own.own(origin, host, scheme) for origin in origins):
        return True
    acts = (
        connection.scope["type"] == "websocket" or connection.scope["method"] not in _SAFE or _asks_graphql(connection)
    )
    if not all(site in _OWN_SITES for site in headers.getlist("sec-fetch-site")):
        # A link to one of our pages, in a mail or a chat, is followed; pictures, scripts and frames of ours are for our
        # pages.
        followed = headers.getlist("sec-fetch-mode") == ["navigate"] and headers.getlist("sec-fetch-dest") == [
            "document"
        ]
        return acts or not followed
    referers = [] if origins else headers.getlist("referer")
    return acts and not all(own.own("/".join(referer.split("/", 3)[:3]), host, scheme) for referer in referers)


def _is_graphql(connection: HTTPConnection) -> bool:
    return str(connection.scope["path"]).rstrip("/").endswith("/graphql")


def _asks_graphql(connection: HTTPConnection) -> bool:
    return _is_graphql(connection) and "query" in connection.query_params


def _badly_sent(connection: HTTPConnection) -> Refusal | None:
    """Why something is not executed though it may come from anybody: how it was sent is what a page of another site can
    do.
    """
    if connection.scope["method"] in _SAFE:
        return next(filter(None, map(_not_by_get, connection.query_params.getlist("query"))), None)
    types = [text.partition(";")[0].strip().lower() for text in connection.headers.getlist("content-type")]
    if connection.scope["method"] == "POST" and (len(types) != 1 or types[0] not in _GRAPHQL_TYPES):
        return Refusal(
            415, 'GraphQL is taken as JSON only: POST {"query": ...} with the header Content-Type: application/json.'
        )
    return None


def _not_by_get(query: str) -> Refusal | None:
    try:
        document = parse(query)
    except GraphQLError as error:
        return Refusal(400, f"The query cannot be read: {error.message}")
    except RecursionError:
        return Refusal(400, "The query is nested too deeply.")
    operations = [each.operation for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    # The whole document is judged: operationName chooses among several.
    if all(operation == OperationType.QUERY for operation in operations):
        return None
    return Refusal(
        405, 'A GET only reads. Send mutations as POST {"query": ...} with the header Content-Type: application/json.'
    )
