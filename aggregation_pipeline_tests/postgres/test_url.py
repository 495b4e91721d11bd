"""PostgreSQL URLs are normalised in one place."""

from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.postgres.url import normalize_url, require_normalized

RIGHT = "postgresql+psycopg2://ada:secret@db.example:5432/shop?options=-c%20timezone%3DUTC"


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_usual_spelling_of_a_postgresql_url_becomes_the_one_that_dagster_needs(scheme: str):
    assert normalize_url(f"{scheme}://ada:secret@db.example:5432/shop") == RIGHT


def test_putting_a_url_right_twice_changes_nothing():
    once = normalize_url(
        "postgres://ada:s%40cr%2Fet%25@/shop?host=%2Frun%2Fpg&port=5433&options=-c%20search_path%3Da%5C%20b&sslmode=require"
    )
    assert normalize_url(once) == once
    require_normalized(once)


@pytest.mark.parametrize(
    ("given_options", "expected"),
    [
        ("-c search_path=shop", "-c search_path=shop -c timezone=UTC"),
        ("-csearch_path=shop --work_mem=8MB", "-csearch_path=shop --work_mem=8MB -c timezone=UTC"),
        (r"-c search_path=a\ b", r"-c search_path=a\ b -c timezone=UTC"),
        ("-c TimeZone=Asia/Shanghai -c geqo=off", "-c geqo=off -c timezone=UTC"),
        ("--timezone=Asia/Shanghai", "-c timezone=UTC"),
        ("-ctimezone=UTC", "-c timezone=UTC"),
    ],
)
def test_other_options_are_kept_and_only_the_time_zone_is_replaced(given_options: str, expected: str):
    url = sa.URL.create(
        "postgresql", "ada", host="db.example", database="shop", query={"options": given_options, "sslmode": "require"}
    )
    query = parse_qs(urlsplit(normalize_url(url.render_as_string())).query)
    assert query == {"options": [expected], "sslmode": ["require"]}


@given(
    password=st.text(min_size=1).filter(lambda text: text.isprintable()),
    database=st.from_regex(r"[a-z_]{1,20}", fullmatch=True),
)
def test_any_password_survives(password: str, database: str):
    url = normalize_url(
        sa.URL.create("postgres", "ada", password, "db.example", 5432, database).render_as_string(hide_password=False)
    )
    assert sa.make_url(url).password == password


@pytest.mark.parametrize("driver", ["psycopg", "asyncpg", "pg8000", "psycopg2cffi"])
def test_another_driver_is_refused_with_the_right_one(driver: str):
    with pytest.raises(SettingsError) as caught:
        normalize_url(f"postgresql+{driver}://ada:secret@db.example:5432/shop", name="BATCH_JOBS_URL")
    assert f"BATCH_JOBS_URL asks for the driver {driver}" in str(caught.value)
    assert "Begin it with postgresql:// or postgresql+psycopg2://" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_another_database_is_refused():
    with pytest.raises(
        SettingsError, match=r"DAGSTER_PG_URL is a mysql URL, and PostgreSQL is needed there: postgresql://.*DB_HOST"
    ):
        normalize_url("mysql+pymysql://ada:secret@db.example/shop", name="DAGSTER_PG_URL")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            "postgresql://ada:secret",
            "cannot be read as a URL: it has no @; in .env an unquoted # begins a comment.*write # .* as %23",
        ),
        ("postgresql://ada:12345", "names no database, nor a user; in .env an unquoted # begins a comment"),
        ("postgresql://ada:p@secret", "names no database"),
        (
            "host=h user=ada password=secret dbname=d",
            "it is made of keys and values, as libpq takes them too. Expected postgresql://",
        ),
        (
            "jdbc:postgresql://h/d?user=ada&password=secret",
            "it is one of Java's; take jdbc: off, and write user and password before",
        ),
        ("secret", "it does not begin with postgresql://"),
        (
            "postgresql://ada:p:secret@h:x/d",
            r"the part between // and / \(user, password, host and port\) is not of that form",
        ),
        ("postgresql://ada:p@x@h/d?sslpassword=secret", "holds an @ inside the user name or password"),
        ("postgresql://ada:secret@h:99999/d", "has a port that is none: ports are 1 to 65535"),
        ("postgresql://ada:secret@h:0/d", "has a port that is none"),
        (
            "postgresql://ada:[YOUR-PASSWORD]@h/d",
            "holds the placeholder .YOUR-PASSWORD.: write the password in its place",
        ),
        ("postgresql://ada:secret@255.255.255.255/d", "leads to no host: that address belongs to no single host"),
    ],
)
def test_a_url_that_leads_nowhere_is_explained_without_a_piece_of_it(url: str, words: str):
    with pytest.raises(SettingsError, match=words) as caught:
        normalize_url(url, name="DAGSTER_PG_URL")
    assert "secret" not in str(caught.value)
    assert "12345" not in str(caught.value)


@given(text=st.text(max_size=12))
def test_no_message_about_an_unreadable_url_repeats_its_password(text: str):
    for url in (
        f"postgresql://ada:{text}Geheim",
        f"postgresql://ada:{text}Geheim@h:x/d",
        f"{text}Geheim",
        f"postgresql://ada@{text}@Geheim/d",
    ):
        assert "Geheim" not in refusal_of(url), url


def refusal_of(url: str) -> str:
    try:
        normalize_url(url, name="DAGSTER_PG_URL")
    except SettingsError as error:
        return str(error)
    return ""


def test_a_scheme_in_capitals_is_the_same_one():
    assert normalize_url("POSTGRESQL://ada:secret@db.example:5432/shop") == RIGHT


@pytest.mark.parametrize(
    "url",
    [
        "not a url",
        "",
        "postgresql://ada:se:cr@et:secret@db.example:5432/shop",
        "postgresql://ada:secret@one:5432,two:5432/shop",
    ],
)
def test_text_that_is_no_url_is_refused_without_showing_a_password(url: str):
    with pytest.raises(
        SettingsError, match=r"cannot be read as a URL: .*Expected postgresql://user:password@host:5432/database"
    ) as caught:
        normalize_url(url)
    assert "secret" not in str(caught.value)


def test_a_raw_at_sign_in_a_password_is_explained():
    with pytest.raises(SettingsError, match=r"holds an @ inside the user name or password\. Write it as %40") as caught:
        normalize_url("postgresql://ada:sec@ret@db.example/shop")
    assert "ret@" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://postgres.ref:secret@aws-0-eu-central-1.pooler.supabase.com:6543/postgres",
        "postgresql://postgres:secret@DB.ref.supabase.co:6543/postgres",
        "postgresql://postgres:secret@/postgres?host=aws-0-eu-central-1.pooler.supabase.com:6543",
        "postgresql://postgres:secret@/postgres?host=aws-0-eu-central-1.pooler.supabase.com&port=6543",
    ],
)
def test_supabases_transaction_pooler_is_refused_with_the_reason(url: str):
    with pytest.raises(
        SettingsError,
        match=(
            r"transaction pooler .*port 6543.*advisory locks are lost.*session pooler or the direct connection, on port"
            r" 5432"
        ),
    ):
        normalize_url(url)


def test_supabases_session_pooler_and_other_peoples_port_6543_are_taken():
    assert ":5432/" in normalize_url(
        "postgresql://postgres.ref:secret@aws-0-eu-central-1.pooler.supabase.com:5432/postgres"
    )
    assert ":6543/" in normalize_url("postgresql://ada:secret@db.example:6543/shop")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (
            "postgresql://ada:secret@db.example:5432/shop?options=-c%20timezone%3DUTC",
            "with another driver than psycopg2. Begin it with postgresql+psycopg2://",
        ),
        ("postgresql+psycopg2://ada:secret@db.example:5432/shop", "without its session in UTC"),
        (
            "postgresql+psycopg2://ada:secret@db.example:5432/shop?options=-c%20timezone%3DUTC%20-c%20timezone%3DAsia/Shanghai",
            "Its options have to end in -c timezone=UTC: ?options=-c%20timezone%3DUTC",
        ),
    ],
)
def test_a_wrong_url_that_dagster_has_read_already_is_refused_with_what_is_right(url: str, why: str):
    with pytest.raises(SettingsError) as caught:
        require_normalized(url)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_right_url_passes_however_its_zone_is_spelled():
    require_normalized(RIGHT)
    require_normalized("postgresql+psycopg2://ada@db.example/shop?options=--TimeZone%3DEtc/UTC")


def test_a_pgtz_variable_is_refused_because_it_beats_the_url(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGTZ", "Asia/Shanghai")
    with pytest.raises(
        SettingsError, match=r"PGTZ=Asia/Shanghai overrules the time zone in DAGSTER_PG_URL.*Unset PGTZ"
    ):
        require_normalized(RIGHT)
    monkeypatch.setenv("PGTZ", "UTC")
    require_normalized(RIGHT)
