"""TLS to MySQL by the modes of its own clients; a refusal is explained and not retried."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pydantic import SecretStr

from aggregation_pipeline.errors import SettingsError, SourceError, SourceLostError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.connections import source_options
from aggregation_pipeline.source.mysql.session import open_session
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.tls import Tls
from aggregation_pipeline_tests.settings.settings_of import settings_of
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE
from aggregation_pipeline_tests.support.servers.certificates import Authority, Pair
from aggregation_pipeline_tests.support.servers.handles import MySQLServer
from aggregation_pipeline_tests.support.servers.mariadb import MariaDB, start_mariadb
from aggregation_pipeline_tests.support.servers.missing import missing


@dataclass(frozen=True)
class Shop:
    """A MariaDB whose certificates a test chooses, and the authority that both sides may trust."""

    server: MariaDB
    home: Path
    authority: Authority

    def execute(self, *statements: str) -> None:
        with (
            pymysql.connect(unix_socket=str(self.server.socket), user="root", autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            for statement in statements:
                cursor.execute(statement)

    def show(self, pair: Pair) -> None:
        """Let the server show this certificate from now on, and trust our authority's clients."""
        shutil.copy(pair.cert, self.home / "certificate.pem")
        shutil.copy(pair.key, self.home / "key.pem")
        shutil.copy(self.authority.pair.cert, self.home / "ca.pem")
        self.execute("FLUSH SSL")

    def options(self, tls: Tls, **changes: Any) -> SourceOptions:
        return SourceOptions(
            **{
                "database": "mysql",
                "user": "root",
                "host": "127.0.0.1",
                "port": self.server.port,
                "tls": tls,
                **changes,
            }
        )


@pytest.fixture(scope="module")
def shop(server_folder: Path) -> Iterator[Shop]:
    home = server_folder / "tls"
    try:
        server = start_mariadb(home, tls=True)
    except FileNotFoundError as error:
        missing(str(error))
    shop = Shop(server, home, Authority.make(home / "authority", "authority"))
    shop.execute("CREATE USER 'asked'@'%' REQUIRE X509", "GRANT SELECT ON mysql.* TO 'asked'@'%'")
    yield shop
    server.stop()


def cipher(options: SourceOptions) -> str:
    """The cipher of a new connection; empty without TLS."""
    with open_session(options, logical_time=LOGICAL_TIME, zone=ZONE) as session:
        return "".join(value or "" for _, value in session.rows("SHOW STATUS LIKE 'Ssl_cipher'")[1])


def refusal(options: SourceOptions) -> str:
    """What is said where no connection comes about, and never will."""
    with pytest.raises(SourceError) as caught:
        cipher(options)
    assert not isinstance(caught.value, SourceLostError), caught.value
    return str(caught.value)


def test_disabled_takes_none_and_preferred_and_required_take_it_without_verifying(shop: Shop):
    assert cipher(shop.options(Tls("DISABLED"))) == ""
    assert cipher(shop.options(Tls())) != ""
    assert cipher(shop.options(Tls("REQUIRED"))) != ""
    by_socket = {"host": None, "socket": shop.server.socket}
    assert cipher(shop.options(Tls("REQUIRED"), **by_socket)) != ""


def test_where_the_server_has_no_tls_preferred_goes_without_and_what_is_demanded_is_refused(
    seekdb: MySQLServer, shop: Shop
):
    without = {"database": "test", "user": seekdb.user, "socket": Path(seekdb.unix_socket)}
    assert cipher(SourceOptions(**without)) == ""  # type: ignore[arg-type]
    for tls in (Tls("REQUIRED"), Tls("VERIFY_CA", shop.authority.pair.cert)):
        said = refusal(SourceOptions(**without, tls=tls))  # type: ignore[arg-type]
        assert (
            "DB_SSL_MODE demands TLS, and the server offers none. Turn it on there, or set DB_SSL_MODE=PREFERRED"
            in said
        )


def test_verify_ca_wants_a_certificate_that_the_authority_signed(shop: Shop):
    shop.show(shop.authority.sign("server", "DNS:db.internal"))
    assert cipher(shop.options(Tls("VERIFY_CA", shop.authority.pair.cert))) != ""
    by_socket = {"host": None, "socket": shop.server.socket}
    assert cipher(shop.options(Tls("VERIFY_CA", shop.authority.pair.cert), **by_socket)) != ""
    stranger = Authority.make(shop.home / "stranger", "stranger")
    said = refusal(shop.options(Tls("VERIFY_CA", stranger.pair.cert)))
    assert "its certificate was not accepted (self-signed certificate in certificate chain). Check DB_SSL_CA" in said
    shop.show(stranger.sign("server", "DNS:db.internal"))
    assert "not accepted" in refusal(shop.options(Tls("VERIFY_CA", shop.authority.pair.cert)))
    # The authorities that this machine trusts know nothing of it either.
    assert "not accepted" in refusal(shop.options(Tls("VERIFY_IDENTITY")))


def test_verify_identity_wants_the_hosts_name_in_it_too(shop: Shop):
    tls = Tls("VERIFY_IDENTITY", shop.authority.pair.cert)
    shop.show(shop.authority.sign("server", "DNS:db.internal"))
    said = refusal(shop.options(tls))
    assert "IP address mismatch" in said
    assert "DB_HOST is a name in the certificate" in said
    assert "Hostname mismatch" in refusal(shop.options(tls, host="localhost"))
    shop.show(shop.authority.sign("server", "DNS:localhost", "IP:127.0.0.1"))
    for host in ("127.0.0.1", "localhost"):
        assert cipher(shop.options(tls, host=host)) != ""


def test_a_certificate_whose_time_is_over_is_refused(shop: Shop):
    shop.show(shop.authority.sign("server", "IP:127.0.0.1", expired=True))
    assert "certificate has expired" in refusal(shop.options(Tls("VERIFY_CA", shop.authority.pair.cert)))
    assert cipher(shop.options(Tls("REQUIRED"))) != ""


@pytest.mark.parametrize("mode", ["PREFERRED", "REQUIRED", "VERIFY_CA"])
def test_a_server_that_asks_for_a_certificate_gets_ours(shop: Shop, mode: Any):
    shop.show(shop.authority.sign("server", "IP:127.0.0.1"))
    ours = shop.authority.sign("client")
    ca = shop.authority.pair.cert if mode == "VERIFY_CA" else None
    assert cipher(shop.options(Tls(mode, ca, ours.cert, ours.key), user="asked")) != ""
    both = shop.home / "both.pem"
    both.write_bytes(ours.cert.read_bytes() + ours.key.read_bytes())
    assert cipher(shop.options(Tls(mode, ca, both), user="asked")) != ""
    assert "Check DB_USER and DB_PASSWORD" in refusal(shop.options(Tls(mode, ca), user="asked"))


def test_a_password_in_any_script_arrives(shop: Shop):
    shop.execute("CREATE USER 'zh'@'%' IDENTIFIED BY '密码é🙂'", "GRANT SELECT ON mysql.* TO 'zh'@'%'")
    assert cipher(shop.options(Tls(), user="zh", password=SecretStr("密码é🙂"))) != ""


Load = Callable[..., Settings]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    return settings_of(monkeypatch, DB_HOST="db.internal", DB_USER="u", DB_NAME="d", DB_PASSWORD="hush-hush")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Files by name, right ones and wrong ones."""
    folder = tmp_path_factory.mktemp("files")
    authority = Authority.make(folder, "ca")
    one, other = authority.sign("one"), authority.sign("other")
    (folder / "text").write_text("hush-hush", encoding="utf-8")
    locked = folder / "locked.key"
    subprocess.run(
        ["openssl", "rsa", "-aes256", "-passout", "pass:x", "-in", one.key, "-out", locked],
        check=True,
        capture_output=True,
    )
    named = {
        "ca": authority.pair.cert,
        "cert": one.cert,
        "key": one.key,
        "other": other.key,
        "locked": locked,
        "folder": folder,
    }
    return {name: str(path) for name, path in {**named, "text": folder / "text", "none": folder / "none"}.items()}


def test_mysqls_words_are_read_in_any_case_and_reach_the_connection(load: Load, files: dict[str, str]):
    assert source_options(load()).tls == Tls("PREFERRED")
    for word in ("verify_identity", " Verify-Identity "):
        read = source_options(
            load(DB_SSL_MODE=word, DB_SSL_CA=files["ca"], DB_SSL_CERT=files["cert"], DB_SSL_KEY=files["key"])
        ).tls
        assert read == Tls("VERIFY_IDENTITY", Path(files["ca"]), Path(files["cert"]), Path(files["key"]))
    assert source_options(load(DB_SSL_MODE="VERIFY_IDENTITY")).tls.ca is None


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"DB_SSL_MODE": "on"},
            (
                "DB_SSL_MODE: one of DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY is expected, found 'ON'."
                " Was REQUIRED meant?"
            ),
        ),
        (
            {"DB_SSL_CA": "ca", "DB_SSL_MODE": "PREFERRED"},
            "DB_SSL_CA is set, but DB_SSL_MODE=PREFERRED verifies nothing: set DB_SSL_MODE=VERIFY_IDENTITY",
        ),
        ({"DB_SSL_CA": "ca", "DB_SSL_MODE": "REQUIRED"}, "DB_SSL_MODE=REQUIRED verifies nothing"),
        ({"DB_SSL_MODE": "VERIFY_CA"}, "DB_SSL_MODE=VERIFY_CA needs DB_SSL_CA"),
        (
            {"DB_SSL_MODE": "VERIFY_CA", "DB_SSL_CA": "none"},
            r"DB_SSL_CA: .*none cannot be read \(No such file or directory\)",
        ),
        ({"DB_SSL_MODE": "VERIFY_CA", "DB_SSL_CA": "folder"}, r"DB_SSL_CA: .* cannot be read \(Is a directory\)"),
        (
            {"DB_SSL_MODE": "VERIFY_CA", "DB_SSL_CA": "text"},
            "DB_SSL_CA: .*text holds no certificate that can be read; PEM is expected",
        ),
        ({"DB_SSL_MODE": "VERIFY_CA", "DB_SSL_CA": "key"}, "DB_SSL_CA: .* holds no certificate"),
        ({"DB_SSL_KEY": "key"}, "DB_SSL_KEY is set, but DB_SSL_CERT, the certificate that it belongs to, is missing"),
        ({"DB_SSL_CERT": "cert"}, "DB_SSL_CERT, DB_SSL_KEY: .* a certificate and its private key are expected"),
        ({"DB_SSL_CERT": "none", "DB_SSL_KEY": "key"}, "DB_SSL_CERT: .*none cannot be read"),
        ({"DB_SSL_CERT": "cert", "DB_SSL_KEY": "none"}, "DB_SSL_KEY: .*none cannot be read"),
        (
            {"DB_SSL_CERT": "cert", "DB_SSL_KEY": "other"},
            "DB_SSL_KEY: .*other.key is not the key of the certificate in .*one.pem",
        ),
        (
            {"DB_SSL_CERT": "cert", "DB_SSL_KEY": "locked"},
            "DB_SSL_KEY: .*locked.key is encrypted, and nobody can type its password here",
        ),
        (
            {"DB_SSL_CERT": "text", "DB_SSL_KEY": "key"},
            "DB_SSL_CERT, DB_SSL_KEY: .* cannot be read; a certificate and its private key",
        ),
        (
            {"DB_SSL_MODE": "DISABLED", "DB_SSL_CERT": "cert", "DB_SSL_KEY": "key"},
            "are of no use with DB_SSL_MODE=DISABLED",
        ),
        (
            {"DB_SSL_MODE": "VERIFY_IDENTITY", "DB_SOCKET": "none"},
            "compares the host's name, and DB_SOCKET has none: take VERIFY_CA",
        ),
    ],
)
def test_what_cannot_work_is_refused_when_the_settings_load(
    load: Load, files: dict[str, str], variables: dict[str, str], words: str
):
    with pytest.raises(SettingsError, match=words) as caught:
        load(**{name: files.get(value, value) for name, value in variables.items()})
    assert "hush-hush" not in str(caught.value)
