"""Who is let in how: everybody on this machine, people behind a proxy, by https or not, below a path."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from aggregation_pipeline.access.accounts import Accounts
from aggregation_pipeline.access.editing import add_user
from aggregation_pipeline.access.roles import Principal, Role
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.sign_in.start import prepare_access
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.web.served import access_settings, ask, open_websocket, serving
from aggregation_pipeline_tests.web.sign_in.people import (
    HTML,
    JSON,
    PASSWORD,
    People,
    add_people,
    cookies_of,
    empty_workspace,
)

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

QUERY = '{"query": "{ version }"}'


def test_on_this_machine_everybody_may_do_everything_until_there_is_an_account(
    postgres: "PostgresServer", tmp_path: Path
):
    with open_instance(postgres.fresh_database()) as instance:
        settings = access_settings(instance, tmp_path)
        with serving(instance, empty_workspace(tmp_path), access=settings) as port:
            query = 'mutation { deleteRun(runId: "x") { __typename } }'
            answer = ask(port, "POST /graphql", JSON, body=json.dumps({"query": query}))
            assert "RunNotFoundError" in answer.body
            assert "users add" in ask(port, "GET /account", HTML).body
            assert ask(port, "GET /sign-in", HTML).headers["location"] == "/"
            assert ask(port, "GET /runs", host=f"other.example:{port}").status == 403
            add_user(settings.auth_path, "first", Role.ADMIN, PASSWORD)
            assert ask(port, "POST /graphql", JSON, body=QUERY).status == 401


def test_without_an_account_nobody_gets_in_from_elsewhere_through_a_proxy_on_this_machine(
    postgres: "PostgresServer", tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    elsewhere = ("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https")
    with open_instance(postgres.fresh_database()) as instance:
        settings = access_settings(instance, tmp_path, trusted_proxies="127.0.0.1", allowed_hosts="dagster.example")
        with serving(instance, empty_workspace(tmp_path), access=settings) as port:
            assert ask(port, "POST /graphql", JSON, body=QUERY).status == 200
            assert ask(port, "POST /graphql", JSON, *elsewhere, body=QUERY).status == 401
            assert ask(port, "POST /graphql", JSON, body=QUERY, host="dagster.example").status == 401
            assert open_websocket(port, host="dagster.example") == 403
        prepare_access(settings, "127.0.0.1", 3000)
        assert "`aggregation-pipeline users add NAME --role admin`" in caplog.text
        at_proxy = settings.model_copy(update={"sign_in_at_proxy": True})
        with serving(instance, empty_workspace(tmp_path), access=at_proxy) as port:
            assert ask(port, "POST /graphql", JSON, *elsewhere, body=QUERY, host="dagster.example").status == 200


def test_what_a_listed_proxy_says_is_believed_and_nobody_else(postgres: "PostgresServer", tmp_path: Path):
    variables: dict[str, Any] = {"sign_in_header": "X-Forwarded-User", "sign_in_groups_header": "X-Forwarded-Groups"}
    groups = {"viewer_groups": "staff", "admin_groups": "ops, 运维"}
    with open_instance(postgres.fresh_database()) as instance:
        for listed, folder in (("127.0.0.0/8", "listed"), ("10.0.0.0/8", "elsewhere")):
            (tmp_path / folder).mkdir()
            settings = access_settings(instance, tmp_path / folder, trusted_proxies=listed, **variables, **groups)
            add_people(settings)
            workspace = empty_workspace(tmp_path / folder)
            with serving(instance, workspace, access=settings) as port:
                for headers, page in (
                    (("X-Forwarded-User: otto",), "operator"),
                    (("X-Forwarded-User: OTTO", "X-Forwarded-Groups: ops"), "operator"),
                    (("X-Forwarded-User: wang@example.com", "X-Forwarded-Groups: ops,staff"), "admin"),
                    (("X-Forwarded-User: wang@example.com", "X-Forwarded-Groups: staff"), "viewer"),
                    (("X-Forwarded-User: wang@example.com", "X-Forwarded-Groups: guests"), None),
                    (("X-Forwarded-User: wang@example.com",), None),
                    (("X-Forwarded-User: otto", "X-Forwarded-User: ada"), None),
                    (("X-Forwarded-User: ",), None),
                    ((), None),
                ):
                    answer = ask(port, "GET /account", *headers)
                    assert answer.status == (200 if page and folder == "listed" else 401), headers
                    if answer.status == 200:
                        assert f"{page}:" in answer.body
                        assert "Sign out there" in answer.body
                answer = ask(port, "GET /sign-in", HTML, "X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.7")
                assert ("__Host-aggregation_form" in cookies_of(answer)) == (folder == "listed")
                assert ("secure" in answer.headers["set-cookie"].lower()) == (folder == "listed")


@pytest.mark.slow
def test_passwords_are_not_taken_over_plain_http_from_elsewhere(postgres: "PostgresServer", tmp_path: Path):
    with open_instance(postgres.fresh_database()) as instance:
        settings = access_settings(instance, tmp_path, trusted_proxies="127.0.0.1")
        add_people(settings)
        with serving(instance, empty_workspace(tmp_path), access=settings) as port:
            people = People(port, instance, settings)
            elsewhere = "X-Forwarded-For: 192.0.2.7"
            assert ask(port, "GET /sign-in", HTML, elsewhere).status == 403
            assert people.sign_in("ada", PASSWORD, elsewhere).status == 403
            answer = people.sign_in("ada", PASSWORD, elsewhere, "X-Forwarded-Proto: https")
            assert answer.status == 303
            assert "__Host-aggregation_session" in cookies_of(answer)
            assert [entry.address for entry in people.audit()][:1] == ["192.0.2.7"]
            # What has come by https counts there only.
            secret = cookies_of(answer)["__Host-aggregation_session"]
            assert ask(port, "GET /runs", f"Cookie: aggregation_session={secret}", elsewhere).status == 200
            assert ask(port, "GET /runs", f"Cookie: __Host-aggregation_session={secret}", elsewhere).status == 401


@pytest.mark.slow
def test_below_a_path_every_link_and_form_leads_below_it(postgres: "PostgresServer", tmp_path: Path):
    with open_instance(postgres.fresh_database()) as instance:
        settings = access_settings(instance, tmp_path)
        add_people(settings)
        with serving(instance, empty_workspace(tmp_path), "/below", access=settings) as port:
            answer = ask(port, "GET /below/runs", HTML)
            assert answer.headers["location"] == "/below/sign-in?next=%2Fbelow%2Fruns"
            page = ask(port, "GET /below/sign-in", HTML)
            assert 'action="/below/sign-in"' in page.body
            people = People(port, instance, settings)
            signed = people.send_form("/below/sign-in", page, name="ada", password=PASSWORD, next="/runs")
            assert signed.headers["location"] == "/below/"
            session = f"Cookie: aggregation_session={cookies_of(signed)['aggregation_session']}"
            assert ask(port, "GET /below/runs", session).status == 200
            assert ask(port, "GET /below/account", session).status == 200
            assert ask(port, "GET /", HTML).status == 303
            assert ask(port, "GET /", HTML, session).headers["location"] == "/below"
            assert ask(port, "GET /below/health/live").status == 200


def test_the_first_account_is_made_where_other_machines_reach_the_service(tmp_path: Path):
    url = "postgresql://nobody@127.0.0.1:1/none"
    given: dict[str, Any] = {"dagster_pg_url": url, "auth_file": tmp_path / "auth.json"}
    proxy: dict[str, Any] = {"trusted_proxies": "10.0.0.1"}
    for host, variables in (
        ("127.0.0.1", {}),
        ("127.0.0.1", proxy),
        ("0.0.0.0", {"sign_in_at_proxy": True}),
        ("0.0.0.0", proxy | {"sign_in_header": "X-User", "sign_in_groups_header": "X-Groups", "admin_groups": "ops"}),
    ):
        prepare_access(Settings(**given, **variables), host, 3000)
        assert not (tmp_path / "auth.json").exists()
    prepare_access(Settings(**given, **proxy), "0.0.0.0", 3000)
    password = (tmp_path / "admin-password").read_text(encoding="utf-8").strip()
    accounts = Accounts(tmp_path / "auth.json")
    assert accounts.verify_password("admin", password) == Principal("admin", Role.ADMIN)
    # The next start leaves it.
    prepare_access(Settings(**given, **proxy), "0.0.0.0", 3000)
    assert (tmp_path / "admin-password").read_text(encoding="utf-8").strip() == password
