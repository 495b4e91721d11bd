"""Requests that cannot be read are the sender's mistake: they are answered with 400 or 404, and fill no log."""

import itertools
import json
import socket
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from aggregation_pipeline_tests.web.sign_in.people import FORM, JSON, People


@pytest.mark.parametrize(
    "body",
    [
        *("[" * 100_000, "{", "1", "null", '[{"query": "{ version }"}]', '{"query": 1}'),
        *('{"query": "{ version }", "variables": [1]}', '{"query": "{ version }", "variables": "[1]"}'),
        '{"query": "{ version }", "variables": "x"}',
    ],
)
def test_graphql_that_cannot_be_read(people: People, body: str, caplog: pytest.LogCaptureFixture):
    answer = people.ask("vera", "POST /graphql", JSON, body=body)
    assert (answer.status, "One request is expected" in answer.body) == (400, True)
    assert not caplog.records


def test_graphql_whose_variables_are_a_text_or_absent_is_answered(people: People):
    for body in ('{"query": "{ version }", "variables": "{}"}', '{"query": "{ version }", "variables": null}'):
        assert people.ask("vera", "POST /graphql", JSON, body=body).status == 200
    query = urllib.parse.quote("{ version }")
    assert people.ask("vera", f"GET /graphql?query={query}&variables=%7B%7D").status == 200
    assert people.ask("vera", f"GET /graphql?query={query}&variables=1").status == 400


@pytest.mark.parametrize(
    "path", ["/logs/..%2f..%2f..%2fetc%2fpasswd", "/logs/../../../../../etc/passwd", "/logs/x.out"]
)
def test_logs_outside_of_their_folder(people: People, path: str, caplog: pytest.LogCaptureFixture):
    assert people.ask("otto", f"GET {path}").status == 404
    assert not caplog.records


def test_a_query_that_would_take_minutes_to_read(people: People):
    query = "{" + " ".join(f"a{number}:version" for number in range(20_000)) + "}"
    answer = people.ask("vera", "POST /graphql", JSON, body=json.dumps({"query": query}))
    assert (answer.status, "may have 131,072 characters" in answer.body) == (400, True)
    # Nobody has to sign in to send one in an address.
    asked = urllib.parse.quote(query[:5000])
    answer = people.ask("nobody", f"GET /graphql?query={asked}&query={asked}")
    assert answer.status == 414


@pytest.mark.parametrize("path", ["/graphql", "/report_asset_check/a", "/aggregate", "/sign-in", "/account/password"])
def test_who_leaves_in_the_middle_of_a_body_costs_no_traceback(
    people: People, path: str, caplog: pytest.LogCaptureFixture
):
    head = (f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{people.port}", people.headers["ada"][0], JSON)
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", people.port), timeout=60) as connection:
            connection.sendall("\r\n".join([*head, "Content-Length: 100", "", '{"query']).encode())
    assert people.ask("vera", "GET /openapi").status == 200
    assert not [record for record in caplog.records if record.exc_info]


# What PostgreSQL takes in no text: by itself, and as JSON and GraphQL write it.
NOT_STORABLE: dict[str, dict[str, Any]] = {
    "NUL": {"query": '{ runOrError(runId: "\\u0000") { __typename } }'},
    "NUL in braces": {"query": '{ runOrError(runId: "\\u{000}") { __typename } }'},
    "NUL in a variable": {"query": "{ version }", "variables": {"id": "a\0"}},
    "NUL in variables as text": {"query": "{ version }", "variables": '{"id": "\\u0000"}'},
    "NUL in a key": {"query": "{ version }", "variables": {"a": [{"\0": 1}]}},
    "half a character": {"query": "{ version }", "variables": {"a": ["\ud800"]}},
    "half a character in the query": {"query": '{ runOrError(runId: "\ud800") { __typename } }'},
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_STORABLE)
def test_graphql_with_texts_that_postgresql_does_not_take(people: People, name: str, caplog: pytest.LogCaptureFixture):
    answer = people.ask("vera", "POST /graphql", JSON, body=json.dumps(NOT_STORABLE[name]))
    assert (answer.status, "U+0000" in answer.body) == (400, True)
    assert not caplog.records


def test_the_same_in_an_address_and_in_a_body_that_is_the_query(people: People, caplog: pytest.LogCaptureFixture):
    query = str(NOT_STORABLE["NUL"]["query"])
    assert people.ask("vera", f"GET /graphql?query={urllib.parse.quote(query)}").status == 400
    for variables in ("%7B%22id%22:%22%5Cu0000%22%7D", "%7B%22id%22:%22%00%22%7D"):
        assert people.ask("vera", f"GET /graphql?query=%7Bversion%7D&variables={variables}").status == 400
    assert people.ask("vera", "POST /graphql", "Content-Type: application/graphql", body=query).status == 400
    assert not caplog.records


@pytest.mark.parametrize("text", ["%00", "%ED%A0%80", "x%00y", "%C0%80", "%FF"])
def test_other_paths_with_such_texts(people: People, text: str, caplog: pytest.LogCaptureFixture):
    paths = (
        *("/status?table=@", "/status?jobType=@", "/status?cursor=@", "/status?from=@", "/status/@", "/aggregate/@"),
        *("/files/@", "/logs/@", "/logs/a/@.out", "/download_debug/@", "/runs/@", "/sign-in?next=/@", "/openapi?x=@"),
    )
    for path in paths:
        answer = people.ask("ada", f"GET {path.replace('@', text)}")
        assert answer.status < 500 or answer.status == 503, (path, answer)
    form = f"form=x&name={text}&password={text}&next={text}"
    assert people.ask("nobody", "POST /sign-in", FORM, body=form).status == 403
    kinds = ("materialization", "check", "observation")
    for path in (f"/report_asset_{kind}/@" for kind in kinds):
        assert people.ask("ada", f"POST {path.replace('@', text)}").status < 500, path
    bodies = ('{"metadata": {"a": "\\u0000"}}', '{"description": "\\ud800"}', '{"partition": 1}', "{", "[]")
    for kind, body in itertools.product(kinds, bodies):
        path = f"/report_asset_{kind}/a?check_name=c&passed=true"
        assert people.ask("ada", f"POST {path}", JSON, body=body).status < 500, (path, body)
    assert not [record for record in caplog.records if record.exc_info]


@contextmanager
def listening(people: People) -> Iterator[ClientConnection]:
    """Open a websocket as an operator, as far as the first messages go."""
    name, _, value = people.headers["otto"][0].partition(": ")
    url = f"ws://127.0.0.1:{people.port}/graphql"
    with connect(url, subprotocols=[Subprotocol("graphql-ws")], additional_headers={name: value}) as page:
        page.send('{"type": "connection_init"}')
        assert json.loads(page.recv(30)) == {"type": "connection_ack"}
        yield page


def start(query: Any, *, number: str = "1", **payload: Any) -> str:
    return json.dumps({"type": "start", "id": number, "payload": {"query": query, **payload}})


LOG = "subscription($id: ID!) { pipelineRunLogs(runId: $id) { __typename } }"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        *((each, "A message is an object") for each in ("{", "1", "[]", "{}", '{"type": 1}', b"{}", "[" * 9999)),
        *((each, "A message is") for each in ('{"type": "start"}', '{"type": "start", "payload": 1}', start(1))),
        *((each, "A message is") for each in ('{"type": "stop", "id": {}}', '{"type": "start", "id": [1]}')),
        (start(LOG, variables=[1]), "One request is expected"),
        (start(LOG, operation_name=1), "One request is expected"),
        *((start(LOG, variables={"id": each}), "U+0000") for each in ("\0", "\ud800")),
    ],
)  # fmt: skip
def test_a_websocket_that_sends_what_is_no_message_is_told_so_and_closed(
    people: People, message: str | bytes, words: str, caplog: pytest.LogCaptureFixture
):
    with listening(people) as page:
        page.send(message)
        with pytest.raises(ConnectionClosedError) as closed:
            page.recv(30)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, words in closed.value.rcvd.reason) == (4400, True)
    assert not caplog.records


def test_a_websocket_that_sends_what_is_no_message_and_leaves_costs_no_traceback(
    people: People, caplog: pytest.LogCaptureFixture
):
    for _ in range(30):
        with listening(people) as page:
            for number in range(5):
                page.send(start(LOG, number=str(number), variables={"id": "none"}))
            page.send("{")
    assert people.ask("vera", "GET /openapi").status == 200
    assert not caplog.records


@pytest.mark.slow
def test_a_websocket_has_so_many_listeners_and_no_more(people: People, caplog: pytest.LogCaptureFixture):
    with listening(people) as page:
        for number in range(150):
            page.send(start(LOG, number=str(number), variables={"id": "none"}))
            page.send(json.dumps({"type": "stop", "id": str(number)}))
        for number in range(101):
            page.send(start(LOG, number=str(number), variables={"id": "none"}))
        with pytest.raises(ConnectionClosedError, match="More than 100 are started"):
            list(iter(lambda: page.recv(60), None))
    assert not caplog.records
