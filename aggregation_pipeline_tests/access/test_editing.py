"""Any history of changes, read by a service that runs meanwhile, says what the same history says on paper."""

import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aggregation_pipeline.access import editing
from aggregation_pipeline.access.accounts import Accounts
from aggregation_pipeline.access.roles import Principal, Role, Scope
from aggregation_pipeline.errors import AccessError

NAMES = ["alice", "bob", "张三"]
TOKENS = ["nightly", "hourly"]
SCOPES: list[tuple[Scope, ...]] = [("read",), ("run",), ("read", "run")]


class Histories(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "auth.json"
        self.accounts = Accounts(self.path)
        self.roles: dict[str, Role] = {}
        self.disabled: set[str] = set()
        # By name: text, owner, scopes. Revoked ones are kept, to be tried.
        self.tokens: dict[str, tuple[str, str, tuple[Scope, ...]]] = {}
        self.revoked: list[str] = []

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(name=st.sampled_from(NAMES), role=st.sampled_from(Role))
    def add(self, name: str, role: Role) -> None:
        with suppress(AccessError):
            editing.add_user(self.path, name, role, None)
            assert name not in self.roles
            self.roles[name] = role

    @rule(name=st.sampled_from(NAMES), role=st.sampled_from(Role))
    def change_role(self, name: str, role: Role) -> None:
        with suppress(AccessError):
            editing.set_role(self.path, name, role)
            self.roles[name] = role

    @rule(name=st.sampled_from(NAMES), disabled=st.booleans())
    def disable(self, name: str, *, disabled: bool) -> None:
        with suppress(AccessError):
            editing.set_disabled(self.path, name, disabled=disabled)
            (self.disabled.add if disabled else self.disabled.discard)(name)

    @rule(name=st.sampled_from(TOKENS), owner=st.sampled_from(NAMES), scopes=st.sampled_from(SCOPES))
    def create_token(self, name: str, owner: str, scopes: tuple[Scope, ...]) -> None:
        with suppress(AccessError):
            text = editing.create_token(self.path, name, owner=owner, scopes=scopes, lasts=timedelta(days=1))
            assert name not in self.tokens
            self.tokens[name] = text, owner, scopes

    @rule(name=st.sampled_from(TOKENS))
    def revoke(self, name: str) -> None:
        with suppress(AccessError):
            editing.revoke_token(self.path, name)
            self.revoked.append(self.tokens.pop(name)[0])

    @invariant()
    def the_service_knows_what_was_changed(self) -> None:
        if not hasattr(self, "accounts"):
            return
        active = {name: Principal(name, role) for name, role in self.roles.items() if name not in self.disabled}
        assert {name: self.accounts.principal(name) for name in NAMES} == {name: active.get(name) for name in NAMES}
        for name, (text, owner, scopes) in self.tokens.items():
            expected = Principal(f"{owner}/{name}", self.roles[owner], frozenset(scopes)) if owner in active else None
            assert self.accounts.verify_token(text) == expected
        assert [text for text in self.revoked if self.accounts.verify_token(text)] == []
        assert self.accounts.is_empty == (not self.roles)


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
