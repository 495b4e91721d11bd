"""A service with accounts, and somebody of each role, with sessions and tokens."""

import urllib.parse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from dagster import DagsterInstance

from aggregation_pipeline.access.accounts import Accounts
from aggregation_pipeline.access.audit import Audit, AuditEntry
from aggregation_pipeline.access.editing import add_user, create_token
from aggregation_pipeline.access.roles import Role
from aggregation_pipeline.access.sessions import Sessions
from aggregation_pipeline.access.store import AccessStore
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline_tests.web.served import Answer, ask

PASSWORD = "four words that differ"
ROLES = {"vera": Role.VIEWER, "otto": Role.OPERATOR, "ada": Role.ADMIN}
JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"
HTML = "Accept: text/html"


@dataclass
class People:
    """Who may ask the service on `port`, each with the headers that say who it is."""

    port: int
    instance: DagsterInstance
    settings: Settings
    headers: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def ask(self, who: str, line: str, *headers: str, body: str = "") -> Answer:
        """Send a request as `nobody`, as one of the people, or with one of the tokens."""
        return ask(self.port, line, *self.headers[who], *headers, body=body)

    def begin_session(self, name: str) -> str:
        """Return the header of a new session."""
        with closing(AccessStore(self.settings.require_dagster_url())) as store:
            accounts = Accounts(self.settings.auth_path)
            principal, user = accounts.principal(name), accounts.user(name)
            assert principal is not None
            assert user is not None
            sessions = Sessions(store, idle=timedelta(hours=1), longest=timedelta(hours=1))
            secret = sessions.begin(principal, "127.0.0.1", account_version=user.version)
        return f"Cookie: aggregation_session={secret}"

    def end_sessions(self, name: str) -> None:
        """End the sessions of somebody from elsewhere."""
        with closing(AccessStore(self.settings.require_dagster_url())) as store:
            Sessions(store, idle=timedelta(hours=1), longest=timedelta(hours=1)).end_all(name)

    def audit(self) -> list[AuditEntry]:
        """Return the audit log, the newest first."""
        with closing(AccessStore(self.settings.require_dagster_url())) as store:
            return list(Audit(store).entries())

    def sign_in(self, name: str, password: str, *headers: str, next_path: str = "/") -> Answer:
        """Open the page and send its form, as a browser does."""
        page = ask(self.port, "GET /sign-in", HTML, *headers)
        return self.send_form("/sign-in", page, *headers, name=name, password=password, next=next_path)

    def send_form(self, path: str, page: Answer, *headers: str, **fields: str) -> Answer:
        """Send a form with the token and the cookies of the page that showed it."""
        cookies = cookies_of(page)
        token = cookies.get("aggregation_form", "") or form_token(page)
        body = urllib.parse.urlencode({"form": token, **fields})
        given = [header for header in headers if not header.startswith("Cookie:")]
        own = [header.removeprefix("Cookie: ") for header in headers if header.startswith("Cookie:")]
        cookie = "; ".join([*own, *(f"{name}={value}" for name, value in cookies.items())])
        return ask(self.port, f"POST {path}", FORM, f"Cookie: {cookie}", *given, body=body)


def cookies_of(answer: Answer) -> dict[str, str]:
    """Return the cookies that an answer sets."""
    found = {}
    for part in answer.headers.get("set-cookie", "").split(", "):
        name, separator, value = part.partition(";")[0].partition("=")
        if separator and " " not in name:
            found[name] = value
    return found


def form_token(answer: Answer) -> str:
    """Return the token of the first form of a page."""
    return answer.body.partition('name="form" value="')[2].partition('"')[0]


def add_people(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Make accounts and tokens; return the headers of the tokens."""
    path = settings.auth_path
    headers: dict[str, tuple[str, ...]] = {"nobody": ()}
    for name, role in ROLES.items():
        add_user(path, name, role, PASSWORD)
        for scope in ("read", "run"):
            token = create_token(path, f"{name}-{scope}", owner=name, scopes=[scope], lasts=timedelta(days=1))
            headers[f"{name}/{scope}"] = (f"Authorization: Bearer {token}",)
    return headers


@contextmanager
def people_of(port: int, instance: DagsterInstance, settings: Settings) -> Iterator[People]:
    """Yield people with a session each."""
    people = People(port, instance, settings, add_people(settings))
    for name in ROLES:
        people.headers[name] = (people.begin_session(name),)
    yield people


def empty_workspace(folder: Path) -> Path:
    """Write a workspace without code."""
    workspace = folder / "workspace.yaml"
    workspace.write_text("load_from: []\n")
    return workspace
