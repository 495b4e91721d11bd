"""The databases under `sources:`, each with the name by which entries say where their tables are.

The variables DB_<NAME>_... lie over these keys, and alone can make a source; see settings/named_sources.py.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from aggregation_pipeline.config.base_model import ConfigModel, merge_models
from aggregation_pipeline.config.hosts_and_urls import read_host
from aggregation_pipeline.config.limits import SourceLimits
from aggregation_pipeline.config.messages.located_issues import LocatedIssue, LocatedIssuesError
from aggregation_pipeline.config.messages.secrets import shown_text
from aggregation_pipeline.config.source_kinds import DEFAULT_KIND, checked_kind
from aggregation_pipeline.timezones.names import ZoneName

TlsMode = Literal["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"]
# What follows DB_<NAME>_ in a variable, and stands below a source's name: the last of them that a variable ends in.
SOURCE_KEYS: Final = {
    "KIND": "kind",
    "HOST": "host",
    "PORT": "port",
    "SOCKET": "socket",
    "USER": "user",
    "PASSWORD": "password",
    "NAME": "database",
    "TIMEZONE": "timezone",
    "SSL_MODE": "ssl_mode",
    "SSL_CA": "ssl_ca",
    "SSL_CERT": "ssl_cert",
    "SSL_KEY": "ssl_key",
}
_VARIABLE: Final = re.compile(rf"\bDB_({'|'.join(SOURCE_KEYS)})\b")
# The name is as short as can be, so that the key is as long: DB_SHOP_SSL_CA has the key SSL_CA.
_VARIABLE_OF_SOURCE: Final = re.compile(rf"DB_(.+?)_({'|'.join(SOURCE_KEYS)})")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*([_-][A-Za-z0-9]+)*")
_PASSWORDS: Final = frozenset(("password", "passwd", "pass", "pwd", "密码"))
_LONGEST: Final = 40
# DB_SSL_MODE and DB_USER_NAME would be read in two ways.
_TAKEN: Final = frozenset(("ssl", *(key.partition("_")[0].lower() for key in SOURCE_KEYS)))


def variable_of(source: str, key: str) -> str:
    """The variable of a source that goes before one of its keys: DB_SHOP_HOST."""
    return f"DB_{source.upper()}_{next(variable for variable, name in SOURCE_KEYS.items() if name == key)}"


def variables_of(source: str) -> list[str]:
    """All variables of a source, in capitals."""
    return [f"DB_{source.upper()}_{variable}" for variable in SOURCE_KEYS]


def split_variable(variable: str) -> tuple[str, str] | None:
    """The source and the key that a variable in capitals is of, as (shop, ssl_ca) for DB_SHOP_SSL_CA, or None."""
    found = _VARIABLE_OF_SOURCE.fullmatch(variable)
    return None if found is None or source_name_problem(found[1]) else (found[1].lower(), SOURCE_KEYS[found[2]])


def source_name_problem(name: str) -> str:
    """Why a text can be no name of a source; empty if it can."""
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        return (
            f"a source is called by a letter and letters A to Z, digits, - or _ after it, {_LONGEST} at most, because"
            f" its variables are called by it: DB_SHOP_HOST; found {shown_text(name)[:80]!r}"
        )
    if name.lower() in _TAKEN:
        return f"a source cannot be called {name}: DB_{name.upper()}_... are variables of the database without a name"
    return ""


def source_name(name: str) -> str:
    """The one spelling of a source's name: CRM-EU and crm_eu are the same source.

    Raises:
        ValueError: it can be no name of a source.
    """
    if problem := source_name_problem(name):
        raise ValueError(problem)
    return name.lower().replace("-", "_")


def normalized_mode(value: object) -> object:
    """A mode of TLS as people write it, `verify-identity`, as MySQL's own clients do."""
    return value.strip().upper().replace("-", "_") if isinstance(value, str) else value


def with_variables_of(source: str | None, text: str) -> str:
    """A text about the variables DB_..., about those of a source: DB_HOST becomes DB_SHOP_HOST."""
    return _VARIABLE.sub(rf"DB_{source.upper()}_\1", text) if source else text


def kinds_of_sources(sources: object, kinds: Mapping[str | None, str]) -> dict[str | None, str]:
    """The kind of each source by its name; None is the database without a name. It may be unknown.

    Args:
        sources: as the file has them, not validated yet.
        kinds: those that variables name, which go before the file.
    """
    written: dict[str | None, str] = {}
    for name, body in sources.items() if isinstance(sources, dict) else ():
        kind = body.get("kind") if isinstance(body, dict) else None
        if isinstance(name, str) and isinstance(kind, str) and not source_name_problem(name):
            written[source_name(name)] = kind
    return {name: kind for name, kind in {**written, **kinds}.items() if kind != DEFAULT_KIND}


def kind_of_entry(body: object, kinds: Mapping[str | None, str]) -> dict[str, str]:
    """The kind of an entry's source as `source_kind`, by what `kinds_of_sources` returns; nothing for MySQL's."""
    source = body.get("source") if isinstance(body, dict) else None
    if not isinstance(source, str | None):
        return {}
    if source is not None and not source_name_problem(source):
        source = source_name(source)
    return {"source_kind": kinds[source]} if source in kinds else {}


def _checked_kind(name: str | None) -> str | None:
    return None if name is None else checked_kind(name)


SourceName = Annotated[str, AfterValidator(source_name)]


class Source(ConfigModel):
    """One of several databases. Each key can be a variable instead, which goes before it: DB_SHOP_HOST for the host of
    shop. The password always is one: DB_SHOP_PASSWORD, or DB_SHOP_PASSWORD_FILE.
    """

    kind: Annotated[str | None, AfterValidator(_checked_kind)] = None
    """What kind of database it is: mysql, postgresql, or one that a package adds. Default: mysql."""
    host: str | None = None
    """Name or address of the server."""
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Its port. Default: the usual one of its kind, 3306 for MySQL, 5432 for PostgreSQL."""
    socket: str | None = None
    """A unix socket, instead of host and port."""
    user: str | None = None
    """The account to connect with, one that may only read."""
    database: str | None = None
    """The database that tables are in, where an entry names none."""
    timezone: ZoneName | None = None
    """The timezone of its entries, where they have none of their own. Default: TIMEZONE."""
    ssl_mode: Annotated[TlsMode | None, BeforeValidator(normalized_mode)] = None
    """DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY. Default: PREFERRED; with ssl_ca VERIFY_IDENTITY, or
    VERIFY_CA by socket.
    """
    ssl_ca: str | None = None
    """A file with the certificates of the authorities that may sign the server's."""
    ssl_cert: str | None = None
    """A file with our own certificate."""
    ssl_key: str | None = None
    """A file with its private key."""
    pool_limit: Annotated[int, Field(ge=1, le=1000)] | None = None
    """At most so many of its tables are read at once, by all runs together. Default: default_limit in dagster.yaml."""
    source_limits: SourceLimits = SourceLimits()
    """What its tables may ask of it, where it differs from the project's source_limits."""

    @field_validator("host")
    @classmethod
    def _read_host(cls, host: str | None) -> str | None:
        try:
            return None if host is None else read_host(host)
        except ValueError as error:
            # Not as an error about the value, which would be repeated: it may hold a password.
            text = _VARIABLE.sub(
                lambda found: "a variable" if found[1] == "PASSWORD" else SOURCE_KEYS[found[1]], str(error)
            )
            raise LocatedIssuesError([LocatedIssue(("host",), text)], from_root=False) from None

    @field_validator("user", "database", "socket")
    @classmethod
    def _is_no_url(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None and "://" in text:
            # As for the host.
            message = f"the {info.field_name} alone is expected, and this is a URL; the password belongs in a variable"
            raise LocatedIssuesError([LocatedIssue((str(info.field_name),), message)], from_root=False)
        return text


def _checked_names(sources: object) -> object:
    """Refuse names and passwords; what else is wrong with a source is found by its own model."""
    issues = []
    seen: dict[str, str] = {}
    for name, body in sources.items() if isinstance(sources, dict) else ():
        if problem := source_name_problem(str(name)):
            issues.append(LocatedIssue(("sources", name), problem))
            continue
        first = seen.setdefault(source_name(name), name)
        if first != name:
            issues.append(LocatedIssue(("sources", name), f"this is the same source as {first}; keep one"))
        variable = variable_of(source_name(name), "password")
        issues += [
            LocatedIssue(
                ("sources", name, key),
                f"no password belongs in this file: set the variable {variable}, or {variable}_FILE to the path of a"
                " file that holds it",
            )
            for key in (body if isinstance(body, dict) else ())
            if str(key).casefold() in _PASSWORDS
        ]
    if issues:
        raise LocatedIssuesError(issues)
    return sources


def _in_one_spelling(sources: dict[str, Source]) -> dict[str, Source]:
    return {source_name(name): source for name, source in sources.items()}


Sources = Annotated[dict[str, Source], BeforeValidator(_checked_names), AfterValidator(_in_one_spelling)]


def limits_of_source(limits: SourceLimits, sources: Mapping[str, Source], name: str | None) -> SourceLimits:
    """The project's limits with those of a source over them; None is the database without a name."""
    return merge_models(limits, sources[name].source_limits) if name and name in sources else limits
