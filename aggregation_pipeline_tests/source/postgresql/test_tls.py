"""TLS to PostgreSQL by the modes of MySQL's clients; nothing of this machine changes them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.postgresql.examination import examine
from aggregation_pipeline.source.postgresql.session import open_session
from aggregation_pipeline.source.tls import Tls
from aggregation_pipeline_tests.support.reading import ZONE
from aggregation_pipeline_tests.support.servers.certificates import Authority
from aggregation_pipeline_tests.support.servers.handles import PostgresServer
from aggregation_pipeline_tests.support.servers.installed_postgres import EVERYBODY, InstalledPostgres

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(installed_postgres: PostgresServer) -> InstalledPostgres:
    assert isinstance(installed_postgres.server, InstalledPostgres)
    return installed_postgres.server


@pytest.fixture(scope="module")
def ca(server: InstalledPostgres) -> Path:
    """The certificate of the authority that signed the server's."""
    return server.authority.pair.cert


@pytest.fixture(scope="module")
def stranger(server: InstalledPostgres) -> Authority:
    return Authority.make(server.home / "stranger", "stranger")


@pytest.fixture
def shown(server: InstalledPostgres) -> Iterator[None]:
    """Put back what a test lets the server show, demand and offer."""
    yield
    server.admit(EVERYBODY)
    server.offer_tls(offered=True)
    server.show(server.certificate)


def options_of(server: InstalledPostgres, tls: Tls, **changes: Any) -> SourceOptions:
    where = {"database": "postgres", "user": "postgres", "host": "127.0.0.1", "port": server.port}
    return SourceOptions(**{**where, "kind": "postgresql", "tls": tls, **changes})


def encrypted(server: InstalledPostgres, tls: Tls, **changes: Any) -> bool:
    """Whether a new connection is encrypted, as the server sees it."""
    with open_session(options_of(server, tls, **changes), zone=ZONE) as session:
        return bool(session.link.row("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")[0])


def refusal(server: InstalledPostgres, tls: Tls, **changes: Any) -> str:
    """What is said where no connection comes about, and never will."""
    with pytest.raises(SourceError) as caught:
        encrypted(server, tls, **changes)
    assert not isinstance(caught.value, SourceLostError), caught.value
    return str(caught.value)


def test_disabled_takes_none_and_preferred_and_required_take_it_without_verifying(server: InstalledPostgres):
    assert not encrypted(server, Tls("DISABLED"))
    assert encrypted(server, Tls())
    assert encrypted(server, Tls("REQUIRED"))


def test_check_says_by_what_a_connection_is_encrypted(server: InstalledPostgres, ca: Path):
    findings = {each.name: each for each in examine(options_of(server, Tls("VERIFY_IDENTITY", ca)), ZONE, [])}
    assert findings["TLS"].text.startswith("the connection is encrypted (TLSv1.")


def test_the_authority_and_the_hosts_name_are_verified(server: InstalledPostgres, ca: Path, stranger: Authority):
    assert encrypted(server, Tls("VERIFY_IDENTITY", ca))
    assert encrypted(server, Tls("VERIFY_CA", ca), host="localhost")
    not_accepted = (
        "its certificate was not accepted. Check DB_SSL_CA, and with DB_SSL_MODE=VERIFY_IDENTITY that DB_HOST is"
    )
    assert not_accepted in refusal(server, Tls("VERIFY_IDENTITY", ca), host="localhost")
    for mode in ("VERIFY_CA", "VERIFY_IDENTITY"):
        assert not_accepted in refusal(server, Tls(mode, stranger.pair.cert))


def test_without_an_authority_those_of_this_machine_decide(
    server: InstalledPostgres, ca: Path, monkeypatch: pytest.MonkeyPatch
):
    assert "not accepted" in refusal(server, Tls("VERIFY_IDENTITY"))
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    assert encrypted(server, Tls("VERIFY_IDENTITY"))


@pytest.mark.usefixtures("shown")
def test_a_certificate_whose_time_is_over_is_refused(server: InstalledPostgres, ca: Path):
    server.show(server.authority.sign("over", "IP:127.0.0.1", expired=True))
    assert "not accepted" in refusal(server, Tls("VERIFY_CA", ca))
    assert encrypted(server, Tls("REQUIRED"))


@pytest.mark.usefixtures("shown")
def test_where_the_server_has_no_tls_preferred_goes_without_and_what_is_demanded_is_refused(
    server: InstalledPostgres, ca: Path
):
    server.offer_tls(offered=False)
    assert not encrypted(server, Tls())
    for tls in (Tls("REQUIRED"), Tls("VERIFY_CA", ca), Tls("VERIFY_IDENTITY", ca)):
        assert "DB_SSL_MODE demands TLS, and the server offers none. Turn it on there, or" in refusal(server, tls)


@pytest.mark.usefixtures("shown")
def test_a_server_that_demands_tls_or_a_certificate_gets_it(server: InstalledPostgres, ca: Path, stranger: Authority):
    server.admit("hostssl all all 127.0.0.1/32 trust")
    assert encrypted(server, Tls())
    assert "or not without TLS. Add a line there, or set DB_SSL_MODE=REQUIRED" in refusal(server, Tls("DISABLED"))
    server.admit("hostssl all all 127.0.0.1/32 trust clientcert=verify-ca")
    said = refusal(server, Tls("REQUIRED"))
    assert "it wants a certificate of 'postgres' that it trusts. Set DB_SSL_CERT and DB_SSL_KEY" in said
    ours = server.authority.sign("ours")
    assert encrypted(server, Tls("VERIFY_IDENTITY", ca, ours.cert, ours.key))
    assert encrypted(server, Tls("REQUIRED", None, ours.cert, ours.key))
    other = stranger.sign("other")
    assert "DB_SSL_CERT" in refusal(server, Tls("REQUIRED", None, other.cert, other.key))
    ours.key.chmod(0o644)
    said = refusal(server, Tls("REQUIRED", None, ours.cert, ours.key))
    assert "a private key that others may read is not used" in said
    assert "chmod 600" in said


def test_nothing_of_this_machine_changes_how_a_connection_is_made(
    server: InstalledPostgres, ca: Path, stranger: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home = tmp_path / ".postgresql"
    home.mkdir()
    shutil.copy(stranger.pair.cert, home / "root.crt")
    (home / "postgresql.crt").write_text("no certificate", encoding="utf-8")
    (home / "root.crl").write_text("no list", encoding="utf-8")
    for name, value in {
        "HOME": str(tmp_path),
        "PGHOSTADDR": "127.0.0.2",
        "PGSSLMODE": "disable",
        "PGSSLROOTCERT": str(stranger.pair.cert),
        "PGSSLCERT": os.devnull,
        "PGSSLCERTMODE": "require",
        "PGSSLCRL": os.devnull,
        "PGSSLNEGOTIATION": "direct",
        "PGSSLMAXPROTOCOLVERSION": "TLSv1",
        "PGREQUIREAUTH": "scram-sha-256",
        "PGCHANNELBINDING": "require",
    }.items():
        monkeypatch.setenv(name, value)
    for tls in (Tls(), Tls("REQUIRED"), Tls("VERIFY_CA", ca), Tls("VERIFY_IDENTITY", ca)):
        assert encrypted(server, tls), tls
    assert not encrypted(server, Tls("DISABLED"))


def test_a_service_that_this_machine_does_not_have_is_named(server: InstalledPostgres, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGSERVICE", "unheard of")
    assert "the variable PGSERVICE names a service that this machine does not have" in refusal(server, Tls())
