"""URLs of PostgreSQL, normalised so that SQLAlchemy, Dagster and this package all read them alike.

Two things go wrong silently with the URL that people have at hand. SQLAlchemy 2.1 reads `postgresql://` as psycopg 3,
while dagster-postgres brings psycopg2. And Dagster stores naive times, which shift by the server's zone unless the
session is in UTC. Both are corrected in the URL itself, because Dagster makes its own engines from it.

No message repeats a URL, not even in part: in a malformed one the password may be anywhere.
"""

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from aggregation_pipeline.config.hosts_and_urls import host_problem
from aggregation_pipeline.errors import SettingsError

if TYPE_CHECKING:
    import sqlalchemy as sa

DRIVER = "postgresql+psycopg2"
EXAMPLE = "postgresql://user:password@host:5432/database"
_POSTGRESQL = frozenset({"postgresql", "postgres"})
# Words that a message may repeat from a URL: they cannot be a part of a password.
_OTHER_DATABASES = frozenset({"mysql", "mariadb", "sqlite", "oracle", "mssql", "mongodb", "redis"})
_OTHER_DRIVERS = frozenset({"psycopg", "asyncpg", "pg8000", "psycopg2cffi"})
_HIGHEST_PORT = 65_535

_UTC_NAMES = frozenset({"utc", "etc/utc", "universal", "etc/universal", "zulu", "etc/zulu", "uct", "etc/uct"})
# `options` is a command line: blanks separate its words, and a backslash protects a blank. A parameter is
# `-c name=value`, `-cname=value` or `--name=value`.
_WORD = re.compile(r"(?:\\.|[^\s\\])+")
_ZONE = re.compile(r"(?:-c|--)?timezone=(?P<zone>.*)", re.IGNORECASE | re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z0-9+]+://")
_UNQUOTED_HASH = (
    "in .env an unquoted # begins a comment, which cuts the URL: put quotes around it, and write # in a password as %23"
)
# Supabase shows it in the place of the password.
_PLACEHOLDER = re.compile(r"\[?YOUR[-_ ]PASSWORD\]?", re.IGNORECASE)
_SUPABASE_HOST = re.compile(r"(?:.*\.pooler\.supabase\.(?:com|co)|db\..*\.supabase\.co)", re.IGNORECASE)


def normalize_url(url: str, *, name: str = "the PostgreSQL URL") -> str:
    """The URL with psycopg2 and a session in UTC; its other options are kept. A second call changes nothing.

    `name` is the variable that holds the URL, for messages.

    Raises:
        SettingsError: it is a URL of another database or driver, of Supabase's transaction pooler, or no URL.
    """
    parsed = _parse(url, name)
    database, _, driver = parsed.drivername.partition("+")
    if database not in _POSTGRESQL:
        kind = f"a {database}" if database in _OTHER_DATABASES else "another"
        raise SettingsError(
            f"{name} is {kind} URL, and PostgreSQL is needed there: {EXAMPLE}. The MySQL database goes into"
            " DB_HOST, DB_USER, DB_PASSWORD and DB_NAME"
        )
    if driver not in {"", "psycopg2"}:
        raise SettingsError(
            f"{name} asks for {f'the driver {driver}' if driver in _OTHER_DRIVERS else 'another driver'}, but Dagster's"
            f" PostgreSQL storage is built on psycopg2. Begin it with postgresql:// or {DRIVER}://"
        )
    _refuse_transaction_pooler(parsed, name)
    return _render(_with_utc(parsed))


def require_normalized(url: str, *, name: str = "DAGSTER_PG_URL") -> None:
    """Raise SettingsError, with what is wrong, unless `url` already names psycopg2 and a session in UTC.

    For a URL that Dagster itself has read, when it is too late to correct it.
    """
    normalize_url(url, name=name)
    parsed = _parse(url, name)
    if parsed.drivername != DRIVER:
        raise SettingsError(f"{name} reached Dagster with another driver than psycopg2. Begin it with {DRIVER}://")
    if not _is_utc(_options(parsed)):
        raise SettingsError(
            f"{name} reached Dagster without its session in UTC, and the times of runs would shift. "
            "Its options have to end in -c timezone=UTC: ?options=-c%20timezone%3DUTC"
        )
    zone = os.environ.get("PGTZ")
    if zone and zone.casefold() not in _UTC_NAMES:
        raise SettingsError(
            f"The environment variable PGTZ={zone} overrules the time zone in {name}, and the times of Dagster's runs"
            " would shift. Unset PGTZ"
        )


def in_schema(url: str, schema: str) -> str:
    """A normalised URL whose sessions look for tables in this schema alone, and make them there."""
    parsed = _parse(url, "the PostgreSQL URL")
    options = f"{_options(parsed)} -c search_path={schema}"
    return normalize_url(_render(parsed.update_query_dict({"options": options})))


def _parse(url: str, name: str) -> "sa.URL":
    import sqlalchemy as sa

    written = _SCHEME.sub(lambda scheme: scheme[0].lower(), url.strip(), count=1)
    try:
        parsed = sa.make_url(written)
    except (sa.exc.ArgumentError, ValueError):
        # The message repeats neither the text nor SQLAlchemy's error: each piece may be part of the password.
        raise SettingsError(
            f"{name} cannot be read as a URL: {_why_unread(written)}. Expected {EXAMPLE}; several hosts are written "
            "?host=one:5432&host=two:5432, and @ : / ? # % in a password as %40 %3A %2F %3F %23 %25"
        ) from None
    if parsed.host and "@" in parsed.host:
        raise SettingsError(f"{name} holds an @ inside the user name or password. Write it as %40")
    if parsed.host and ":" not in parsed.host and f"[{parsed.host}]" in written:
        raise SettingsError(f"{name} holds brackets, which are for an address of IPv6 alone. Expected {EXAMPLE}")
    if parsed.drivername.partition("+")[0] in _POSTGRESQL and (problem := _problem(parsed)):
        raise SettingsError(f"{name} {problem}. Expected {EXAMPLE}")
    return parsed


def _why_unread(url: str) -> str:
    """What is likely wrong with a text that is no URL, without a piece of the text."""
    for found, words in (
        (url.startswith("jdbc:"), "it is one of Java's; take jdbc: off, and write user and password before the host"),
        (re.match(r"\w+\s*=", url), "it is made of keys and values, as libpq takes them too"),
        (_SCHEME.match(url) is None, "it does not begin with postgresql://"),
        ("@" not in url, f"it has no @; {_UNQUOTED_HASH}"),
    ):
        if found:
            return words
    return "the part between // and / (user, password, host and port) is not of that form"


def _problem(parsed: "sa.URL") -> str:
    """Why a URL can never lead to a database; empty if it can."""
    # libpq accepts several hosts with commas between.
    hosts = filter(None, map(host_problem, parsed.host.split(",") if parsed.host else ()))
    if problem := next(hosts, None):
        return f"leads to no host: {problem}"
    if parsed.port is not None and not 1 <= parsed.port <= _HIGHEST_PORT:
        return f"has a port that is none: ports are 1 to {_HIGHEST_PORT}"
    if any(_PLACEHOLDER.fullmatch(part or "") for part in (parsed.username, parsed.password)):
        return "holds the placeholder [YOUR-PASSWORD]: write the password in its place"
    if not parsed.database and not {"dbname", "service"} & parsed.query.keys():
        return f"names no database{'' if parsed.username or parsed.query else f', nor a user; {_UNQUOTED_HASH}'}"
    return ""


def _with_utc(parsed: "sa.URL") -> "sa.URL":
    kept = [word for setting in _settings(_options(parsed)) if not _ZONE.fullmatch(setting[-1]) for word in setting]
    return parsed.set(drivername=DRIVER).update_query_dict({"options": " ".join([*kept, "-c", "timezone=UTC"])})


def _render(parsed: "sa.URL") -> str:
    # SQLAlchemy writes a blank as +, which libpq and other readers of the URL read as a plus sign.
    base = parsed.set(query={}).render_as_string(hide_password=False)
    return f"{base}?{urlencode(sorted(parsed.query.items()), doseq=True, quote_via=quote)}" if parsed.query else base


def _options(parsed: "sa.URL") -> str:
    value = parsed.query.get("options", "")
    return value if isinstance(value, str) else " ".join(value)


def _settings(options: str) -> list[tuple[str, ...]]:
    """The parameters of `options`, each as its words: a lone `-c` and the word after it belong together."""
    words = iter(_WORD.findall(options))
    return [(word, next(words, "")) if word == "-c" else (word,) for word in words]


def _is_utc(options: str) -> bool:
    zones = [match["zone"] for setting in _settings(options) if (match := _ZONE.fullmatch(setting[-1]))]
    return bool(zones) and zones[-1].casefold() in _UTC_NAMES


def _refuse_transaction_pooler(parsed: "sa.URL", name: str) -> None:
    hosts = parsed.query.get("host", parsed.host or "")
    ports = str(parsed.query.get("port", parsed.port or ""))
    for host in (hosts,) if isinstance(hosts, str) else hosts:
        address, _, own_port = host.partition(":")
        if _SUPABASE_HOST.fullmatch(address) and "6543" in (own_port or ports):
            raise SettingsError(
                f"{name} leads to Supabase's transaction pooler (port 6543). It gives every transaction another"
                " session, so time zone, timeouts and advisory locks are lost in between. Take the session pooler or"
                " the direct connection, on port 5432"
            )
