"""Who asks, and what they may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal

Scope = Literal["read", "run"]
SCOPES: Final[tuple[Scope, ...]] = ("read", "run")
# Between the name of a token and that of its owner. Neither may hold it.
_BETWEEN: Final = "/"


class Role(IntEnum):
    """What somebody may do; each role may do all that those before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3


RoleName = Literal["viewer", "operator", "admin"]
ROLES: Final[Mapping[RoleName, Role]] = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "admin": Role.ADMIN}


def role_name(role: Role) -> RoleName:
    """Return how a role is written."""
    return next(name for name, each in ROLES.items() if each is role)


@dataclass(frozen=True)
class Principal:
    """Somebody who is signed in, or a token.

    Attributes:
        name: a user's name; of a token `owner/token`, so that both can be told apart wherever the name is written.
        role: what the user, or the owner of the token, may do.
        scopes: what a token is limited to; None for people.
    """

    name: str
    role: Role
    scopes: frozenset[str] | None = None

    @property
    def user(self) -> str:
        """The name of the person: of a token its owner's."""
        return self.name.partition(_BETWEEN)[0]


def token_principal(owner: str, token: str, role: Role, scopes: frozenset[str]) -> Principal:
    """Return who acts when a token is used."""
    return Principal(f"{owner}{_BETWEEN}{token}", role, scopes)
