"""Signing in and out, as a browser does it without scripts, and what strangers see and send."""

import json
import re
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from aggregation_pipeline.access.editing import add_user, set_disabled, set_role
from aggregation_pipeline.access.roles import Role
from aggregation_pipeline.web.sign_in.forms import own_path
from aggregation_pipeline.web.sign_in.routes import UNKNOWN_NAME
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.served import ask, open_websocket
from aggregation_pipeline_tests.web.sign_in.people import (
    FORM,
    HTML,
    JSON,
    PASSWORD,
    People,
    cookies_of,
    form_token,
)

QUERY = '{"query": "{ version }"}'
OPEN = ("/health", "/health/", "/health/live", "/health/ready", "/sign-in", "/sign-in/style.css", "/sign-in?next=/runs")


@pytest.mark.parametrize("path", OPEN)
def test_a_stranger_sees_health_and_the_sign_in_page(people: People, path: str):
    assert ask(people.port, f"GET {path}", HTML).status in {200, 503}


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/runs", "/graphql", "/openapi.json", "/manifest.json", "/logs/x/y.out", "/download_debug/x"),
        *(
            "/nothing",
            "/_next/static/x.js",
            "/notebook?path=x.ipynb",
            "/account",
            "/sign-in/",
            "/sign-in/other",
            "/health/other",
        ),
    ],
)
def test_a_stranger_is_led_to_the_sign_in_page_and_back(people: People, path: str):
    answer = ask(people.port, f"GET {path}", HTML, "Sec-Fetch-Mode: navigate")
    assert answer.status == 303
    where = urlsplit(answer.headers["location"])
    assert (where.netloc, where.path) == ("", "/sign-in")
    for headers in ((), ("Accept: */*",), (HTML, "Sec-Fetch-Mode: no-cors"), ("Authorization: Bearer agp_unknown",)):
        refused = ask(people.port, f"GET {path}", *headers)
        assert (refused.status, "Bearer" in refused.headers["www-authenticate"]) == (401, True), headers
    assert ask(people.port, f"POST {path}", JSON, body=QUERY).status == 401


@pytest.mark.parametrize("path", ["/assets/%E8%AE%A2%E5%8D%95?view=%26a", "/assets/100%25%2Fa", "/runs?q=a%20b&q=c"])
def test_a_page_is_found_again_whatever_is_in_its_address(people: People, path: str):
    where = urlsplit(ask(people.port, f"GET {path}", HTML).headers["location"])
    (wanted,) = parse_qs(where.query)["next"]
    assert people.sign_in("vera", PASSWORD, next_path=wanted).headers["location"] == path


def test_a_stranger_opens_no_websocket_and_learns_nothing_by_options(people: People):
    assert open_websocket(people.port) == 403
    assert open_websocket(people.port, "Cookie: aggregation_session=unknown") == 403
    assert ask(people.port, "OPTIONS /graphql").status == 401


def test_somebody_signs_in_goes_where_they_wanted_and_signs_out(people: People):
    answer = people.sign_in("Otto", PASSWORD, next_path="/runs?status=FAILURE")
    assert (answer.status, answer.headers["location"]) == (303, "/runs?status=FAILURE")
    flags = answer.headers["set-cookie"].lower()
    assert "httponly" in flags
    assert "samesite=lax" in flags
    # By plain http, on this machine.
    assert "secure" not in flags
    session = f"Cookie: aggregation_session={cookies_of(answer)['aggregation_session']}"
    assert ask(people.port, "GET /runs", session).status == 200
    assert ask(people.port, "GET /sign-in?next=/jobs", session).headers["location"] == "/jobs"
    page = ask(people.port, "GET /account", session, HTML)
    assert "otto" in page.body
    assert people.send_form("/sign-out", page, session).headers["location"] == "/sign-in"
    assert ask(people.port, "GET /runs", session).status == 401
    done = [(entry.who, entry.what, entry.result) for entry in people.audit()]
    assert done.index(("otto", "sign-out", "ok")) < done.index(("otto", "sign-in", "ok"))


def test_a_session_that_was_there_before_is_never_taken_over(people: People):
    planted = "aggregation_session=" + "x" * 43
    answer = people.sign_in("vera", PASSWORD, f"Cookie: {planted}")
    assert f"aggregation_session={cookies_of(answer)['aggregation_session']}" != planted
    assert ask(people.port, "GET /runs", f"Cookie: {planted}").status == 401
    # Whoever signs in again leaves no session behind.
    first = f"Cookie: aggregation_session={cookies_of(answer)['aggregation_session']}"
    page = ask(people.port, "GET /sign-in", HTML)
    assert people.send_form("/sign-in", page, first, name="vera", password=PASSWORD).status == 303
    assert ask(people.port, "GET /runs", first).status == 401


def test_nobody_learns_which_names_there_are(people: People):
    answers = [people.sign_in(name, "wrong") for name in ("ada", "nobody-of-us", "x" * 300, "")]
    bodies = [re.sub(r'value="[^"]*"| autofocus', "", answer.body) for answer in answers]
    assert [answer.status for answer in answers] == [403] * 4
    assert len(set(bodies)) == 1
    assert "Name or password is wrong." in bodies[0]
    failed = [entry for entry in people.audit() if (entry.what, entry.result) == ("sign-in", "failed")]
    assert "ada" in {entry.who for entry in failed}
    assert "wrong" not in str([entry.details for entry in failed])


def test_a_password_that_is_typed_into_the_field_of_the_name_is_written_nowhere(
    people: People, caplog: pytest.LogCaptureFixture
):
    assert people.sign_in("My%20Secret-42", "vera").status == 403
    assert people.sign_in("ＶＥＲＡ", "My%20Secret-42").status == 403
    newest = people.audit()[:2]
    assert {entry.who for entry in newest} == {UNKNOWN_NAME, "vera"}
    assert "Secret" not in f"{newest}{caplog.text}"


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out", "/account/password"])
def test_a_form_that_is_not_ours_does_nothing(people: People, path: str):
    who = people.headers["otto"][0]
    page = ask(people.port, "GET /account", who, HTML)
    token = form_token(page)
    own = f"{who}; aggregation_form={token}"
    fields = f"name=vera&password={PASSWORD.replace(' ', '+')}"
    for headers, body, status in (
        ((who, FORM), fields, 403),
        ((own, FORM), fields, 403),
        ((own, FORM), f"{fields}&form=other", 403),
        ((who, FORM), f"{fields}&form={token}", 403),
        ((f"{who}; aggregation_form=", FORM), f"{fields}&form=", 403),
        ((own, "Content-Type: text/plain"), f"{fields}&form={token}", 415),
        ((own, JSON), f"{fields}&form={token}", 415),
        ((own, FORM), f"{fields}&form={token}&" + "x=" + "y" * 20_000, 413),
        ((own, FORM), "&".join(["a=b"] * 30), 400),
        ((own, FORM, "Origin: https://evil.example"), f"{fields}&form={token}", 403),
    ):
        answer = ask(people.port, f"POST {path}", *headers, body=body)
        assert (answer.status, "set-cookie" in answer.headers and "aggregation_session" in str(answer.headers)) == (
            status,
            False,
        ), (headers, body[:100])
    assert ask(people.port, "GET /runs", who).status == 200


@given(st.text(st.characters(codec="utf-8"), max_size=30) | st.from_regex(r"[/\\\t\n.:@]{0,6}evil\.example"))
@example("x/./.%2E/../evil?a=/..")
def test_a_page_to_go_on_to_is_one_of_ours(text: str):
    for prefix, wanted in (("", text), ("/below", text), ("/below", f"/below/{text}")):
        path = own_path(wanted, prefix)
        assert path.startswith(f"{prefix}/")
        there = urlsplit(urljoin(f"https://ours.example{prefix}/sign-in", path))
        assert (there.scheme, there.netloc) == ("https", "ours.example")
        assert there.path.startswith(f"{prefix}/")


def test_attempts_are_slowed(people: People):
    add_user(people.settings.auth_path, "slow", Role.VIEWER, PASSWORD)
    assert people.sign_in("slow", "wrong").status == 403
    # On a busy machine a pause may be over before the next attempt; each is twice as long as the one before.
    last = until("a pause", lambda: (answer := people.sign_in("slow", "wrong")).status == 429 and answer, 60)
    assert int(last.headers["retry-after"]) > 0
    assert "Try again in" in last.body
    # Others sign in meanwhile.
    assert people.sign_in("vera", PASSWORD).status == 303


def test_a_password_that_a_program_made_is_changed_before_anything_else(people: People):
    path = people.settings.auth_path
    add_user(path, "new", Role.ADMIN, "made-by-a-program-1", must_change=True)
    answer = people.sign_in("new", "made-by-a-program-1")
    session = f"Cookie: aggregation_session={cookies_of(answer)['aggregation_session']}"
    assert ask(people.port, "GET /runs", session, HTML).headers["location"] == "/account/password"
    assert ask(people.port, "POST /graphql", session, JSON, body=QUERY).status == 403
    assert open_websocket(people.port, session) == 403
    page = ask(people.port, "GET /account/password", session, HTML)
    assert "made by a program" in page.body

    def change(current: str, new: str, repeat: str) -> Any:
        fields = {"current": current, "new": new, "repeat": repeat}
        return people.send_form("/account/password", page, session, **fields)

    made, own = "made-by-a-program-1", "a password of my own"
    assert (change("other", own, own).status, change(made, own, "else").status) == (403, 422)
    assert (change(made, "short", "short").status, change(made, made, made).status) == (422, 422)
    changed = change(made, own, own)
    assert (changed.status, changed.headers["location"]) == (303, "/account")
    assert ask(people.port, "GET /runs", session).status == 401
    fresh = f"Cookie: aggregation_session={cookies_of(changed)['aggregation_session']}"
    assert ask(people.port, "GET /runs", fresh).status == 200
    assert people.sign_in("new", made).status == 403
    assert people.sign_in("new", own).status == 303


@pytest.mark.parametrize("how", ["ended", "disabled", "role"])
def test_a_session_that_ends_elsewhere_is_out_and_its_websocket_closes(people: People, how: str):
    name = f"leaver-{how}"
    add_user(people.settings.auth_path, name, Role.OPERATOR, PASSWORD)
    session = people.begin_session(name)
    assert ask(people.port, "GET /runs", session).status == 200
    header = {"Cookie": session.removeprefix("Cookie: ")}
    url = f"ws://127.0.0.1:{people.port}/graphql"
    with connect(url, additional_headers=header, subprotocols=[Subprotocol("graphql-ws")]) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(30)) == {"type": "connection_ack"}
        if how == "ended":
            people.end_sessions(name)
        elif how == "disabled":
            set_disabled(people.settings.auth_path, name, disabled=True)
        else:
            set_role(people.settings.auth_path, name, Role.ADMIN)
        until("the session to be out", lambda: ask(people.port, "GET /runs", session).status == 401, 30)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


def test_tokens_need_no_origin_and_no_cookie_and_are_noted(people: People):
    answer = people.ask("vera/read", "POST /graphql", JSON, body=QUERY)
    assert (answer.status, "version" in answer.body) == (200, True)
    assert people.ask("vera/read", "GET /openapi.json").status == 200
    assert people.ask("vera/run", "GET /openapi.json").status == 403
    assert ask(people.port, "GET /openapi.json", "Authorization: bearer agp_" + "x" * 43).status == 401
    # A token that is not good is not made good by a session.
    both = ("Authorization: Bearer agp_other", people.headers["ada"][0])
    assert ask(people.port, "GET /openapi.json", *both).status == 401


def test_a_page_of_another_site_cannot_use_a_session(people: People):
    session = people.headers["ada"][0]
    foreign = ("Origin: https://evil.example", "Sec-Fetch-Site: cross-site")
    assert ask(people.port, "POST /graphql", session, JSON, *foreign, body=QUERY).status == 403
    assert open_websocket(people.port, session, *foreign) == 403
    assert ask(people.port, "GET /graphql?query=mutation{reloadWorkspace{__typename}}", session).status == 405
    own = (f"Origin: http://127.0.0.1:{people.port}", "Sec-Fetch-Site: same-origin")
    assert ask(people.port, "POST /graphql", session, JSON, *own, body=QUERY).status == 200
    assert open_websocket(people.port, session, *own) == 101


def test_answers_are_stored_nowhere_and_say_nothing_of_their_cost(people: People):
    for path in ("/graphql?query={version}", "/runs", "/account", "/openapi", "/server_info", "/logs/x/y.out"):
        headers = ask(people.port, f"GET {path}", people.headers["ada"][0]).headers
        assert headers["cache-control"] == "no-store", path
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors" in headers["content-security-policy"]
        assert "x-dagster-call-counts" not in headers
    page = ask(people.port, "GET /sign-in", HTML).headers
    assert "default-src 'none'" in page["content-security-policy"]
    assert "unsafe" not in page["content-security-policy"]


def test_refusals_are_stored_nowhere_too(people: People):
    for status, line in {404: "GET /_next/none.js", 405: "PUT /sign-in", 413: "POST /graphql"}.items():
        sent = (JSON, "Content-Length: 17000000") if status == 413 else ()
        answer = people.ask("ada", line, *sent)
        assert (answer.status, answer.headers["cache-control"]) == (status, "no-store")


def test_scripts_and_pictures_may_be_kept_by_the_browser(people: People):
    headers = ask(people.port, "GET /favicon.svg", people.headers["vera"][0]).headers
    assert "no-store" not in headers.get("cache-control", "")
    assert headers["x-content-type-options"] == "nosniff"


def test_bodies_are_bounded(people: People):
    too_long = "Content-Length: 17000000"
    assert people.ask("ada", "POST /graphql", JSON, too_long).status == 413


@pytest.mark.parametrize(
    ("headers", "query", "language"),
    [
        ((), "", "en"),
        (("Accept-Language: zh-CN,zh;q=0.9,en;q=0.8",), "", "zh-CN"),
        (("Accept-Language: en-US,zh;q=0.9",), "", "en"),
        (("Accept-Language: fr;q=1.0, zh;q=0.5",), "", "zh-CN"),
        (("Accept-Language: zh;q=x",), "", "en"),
        (("Accept-Language: en",), "?lang=zh", "zh-CN"),
        (("Accept-Language: en", "Cookie: aggregation_language=zh"), "", "zh-CN"),
        (("Cookie: aggregation_language=zh",), "?lang=en", "en"),
        (("Accept-Language: en",), "?lang=xx", "en"),
    ],
)
def test_pages_speak_the_readers_language(people: People, headers: tuple[str, ...], query: str, language: str):
    answer = ask(people.port, f"GET /sign-in{query}", HTML, *headers)
    assert f'<html lang="{language}">' in answer.body
    assert ("aggregation_language" in cookies_of(answer)) == (query in {"?lang=zh", "?lang=en"})
