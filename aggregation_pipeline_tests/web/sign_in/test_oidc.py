"""Signing in with OpenID Connect, against a provider that signs, and one that makes mistakes."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

import pytest
from pydantic import SecretStr

from aggregation_pipeline.access.roles import Role
from aggregation_pipeline_tests.support.runs import open_instance
from aggregation_pipeline_tests.web.served import Answer, access_settings, ask, serving
from aggregation_pipeline_tests.web.sign_in.people import HTML, People, add_people, cookies_of, empty_workspace
from aggregation_pipeline_tests.web.sign_in.provider import CLIENT, SECRET, OpenIdProvider, serving_provider

if TYPE_CHECKING:
    from aggregation_pipeline_tests.support.servers.handles import PostgresServer

pytestmark = pytest.mark.slow


@dataclass
class Site:
    people: People
    provider: OpenIdProvider
    cookies: dict[str, str] = field(default_factory=dict)

    def who(self, name: str) -> str:
        """Return the name here of somebody with this name at the provider."""
        told = json.dumps([self.provider.issuer, "248289761001"])
        return f"{name}#{hashlib.sha256(told.encode()).hexdigest()[:16]}"

    def get(self, path: str) -> Answer:
        """Ask our service as a browser that keeps cookies."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = ask(self.people.port, f"GET {path}", HTML, *([f"Cookie: {cookie}"] if cookie else []))
        self.cookies |= cookies_of(answer)
        return answer

    def leave(self, next_path: str = "/runs") -> str:
        """Go to the provider; return where it sends the browser back to, as a path of ours."""

        class Stay(HTTPRedirectHandler):
            def redirect_request(self, *_: Any) -> None:
                return None

        away = self.get(f"/sign-in/oidc?next={next_path}").headers["location"]
        assert away.startswith(f"{self.provider.issuer}/authorize?")
        with pytest.raises(HTTPError) as sent:
            build_opener(Stay).open(away)
        sent.value.close()
        back = urlsplit(sent.value.headers["Location"])
        assert back.netloc == f"127.0.0.1:{self.people.port}"
        return f"{back.path}?{back.query}"

    def sign_in(self, **claims: Any) -> Answer:
        """Sign in as somebody with these claims."""
        self.provider.claims = {"sub": "248289761001", "preferred_username": "Wang", **claims}
        return self.get(self.leave())


@pytest.fixture(scope="module")
def running(postgres: "PostgresServer", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("oidc")
    with open_instance(postgres.fresh_database()) as instance, serving_provider() as provider:
        settings = access_settings(
            instance,
            folder,
            oidc_issuer=provider.issuer,
            oidc_client_id=CLIENT,
            oidc_client_secret=SECRET,
            viewer_groups="staff",
            operator_groups="data",
        )
        add_people(settings)
        with serving(instance, empty_workspace(folder), access=settings) as port:
            yield Site(People(port, instance, settings), provider)


@pytest.fixture
def site(running: Site) -> Site:
    running.provider.mistake = ""
    running.provider.userinfo = {}
    return Site(running.people, running.provider)


def test_somebody_signs_in_by_the_provider_with_the_role_of_their_groups(site: Site):
    assert "/sign-in/oidc?next=%2Fruns" in site.get("/sign-in?next=/runs").body
    answer = site.sign_in(groups=["staff", "data"])
    assert (answer.status, answer.headers["location"]) == (303, "/runs")
    page = site.get("/account").body
    assert site.who("wang") in page
    assert f"{Role.OPERATOR.name.lower()}:" in page
    newest = site.people.audit()[0]
    assert (newest.who, newest.what, newest.result) == (site.who("wang"), "sign-in", "ok")


def test_groups_may_come_from_the_other_answer_of_the_provider(site: Site):
    site.provider.userinfo = {"sub": "248289761001", "groups": "staff"}
    assert site.sign_in().status == 303
    site.provider.userinfo = {"sub": "somebody else", "groups": "data"}
    assert site.sign_in().status == 502


def test_without_a_group_there_is_no_access(site: Site):
    for groups in ([], ["guests"], None, "guests"):
        answer = site.sign_in(groups=groups)
        assert (answer.status, "you have no access" in answer.body) == (403, True)
        assert "aggregation_session" not in site.cookies
    newest = site.people.audit()[0]
    assert (newest.who, newest.what, newest.result) == (site.who("wang"), "sign-in", "refused")


def test_a_name_at_the_provider_gives_nobody_the_account_of_that_name(site: Site):
    assert site.sign_in(preferred_username="ada", groups=["staff"]).status == 303
    page = site.get("/account").body
    assert site.who("ada") in page
    assert "viewer:" in page


@pytest.mark.parametrize("mistake", ["key", "issuer", "audience", "nonce", "expired", "no token", "unsigned"])
def test_what_is_not_signed_for_us_now_is_refused(site: Site, mistake: str):
    site.provider.mistake = mistake
    answer = site.sign_in(groups=["data"])
    assert (answer.status, "did not work" in answer.body) == (502, True)
    assert "aggregation_session" not in site.cookies


def test_only_the_browser_that_was_sent_comes_back_and_once(site: Site):
    site.provider.claims = {"sub": "1", "groups": ["data"]}
    back = site.leave()
    other = Site(site.people, site.provider)
    assert other.get(back).status == 502
    assert other.get(back.replace(parse_qs(urlsplit(back).query)["state"][0], "forged")).status == 502
    # It was spoiled by whoever came in its place, and is good for nobody now; a fresh one is, once.
    fresh = site.leave()
    assert site.get(fresh).status == 303
    assert site.get(fresh).status == 502
    assert site.get("/sign-in/oidc/callback?error=access_denied").status == 502


def test_what_came_back_counts_once_also_if_the_browser_has_kept_its_attempt(site: Site):
    site.provider.claims = {"sub": "1", "groups": ["data"]}
    back = site.leave()
    kept = dict(site.cookies)
    assert site.get(back).status == 303
    assert site.cookies["aggregation_attempt"] == '""'
    site.cookies = kept
    assert site.get(back).status == 502


def test_an_attempt_is_taken_by_another_web_process_of_the_deployment_and_by_no_other_deployment(site: Site):
    site.provider.claims = {"sub": "1", "groups": ["data"]}
    people = site.people
    workspace = people.settings.auth_path.parent / "workspace.yaml"
    for settings, status in (
        (people.settings, 303),
        (people.settings.model_copy(update={"oidc_client_secret": SecretStr("another")}), 502),
    ):
        with serving(people.instance, workspace, access=settings) as port:
            back = site.leave()
            cookie = f"Cookie: aggregation_attempt={site.cookies['aggregation_attempt']}"
            # The provider sends people to the address by which they came, behind which there are several processes.
            answer = ask(port, f"GET {back}", HTML, cookie)
            assert answer.status == status
            assert ("aggregation_session" in cookies_of(answer)) is (status == 303)


def test_what_a_stranger_sends_to_the_way_back_is_not_logged(site: Site, caplog: pytest.LogCaptureFixture):
    for error in ("access_denied", "x%0A2026-11-20 INFO all is well", "y" * 1000):
        site.leave()
        answer = site.get(f"/sign-in/oidc/callback?error={error.replace(' ', '%20')}")
        assert answer.status == 502
    words = "\n".join(record.getMessage() for record in caplog.records)
    assert "all is well" not in words
    assert "yyy" not in words


def test_where_to_go_on_is_one_of_our_pages(site: Site):
    site.provider.claims = {"sub": "1", "groups": ["data"]}
    assert site.get(site.leave("//evil.example")).headers["location"] == "/"


def test_with_a_provider_nobody_is_let_in_for_want_of_accounts(postgres: "PostgresServer", tmp_path_factory: Any):
    folder = tmp_path_factory.mktemp("alone")
    with open_instance(postgres.fresh_database()) as instance:
        provider = {"oidc_issuer": "http://127.0.0.1:9", "oidc_client_id": CLIENT, "oidc_client_secret": SECRET}
        settings = access_settings(instance, folder, admin_groups="ops", **provider)
        with serving(instance, empty_workspace(folder), access=settings) as port:
            assert ask(port, "GET /runs").status == 401
            assert ask(port, "GET /sign-in/oidc", HTML).status == 502
