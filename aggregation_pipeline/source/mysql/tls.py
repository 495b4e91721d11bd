"""TLS to the source database, in MySQL's own words: taken where the server has it, or demanded, or verified too."""

import functools
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pymysql.connections import Connection

from aggregation_pipeline.errors import SettingsError

TlsMode = Literal["DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY"]


@dataclass(frozen=True)
class Tls:
    """What is demanded of a connection. Files are PEM.

    Attributes:
        mode: PREFERRED takes TLS where the server has it, and verifies nothing; REQUIRED fails without it; VERIFY_CA
            wants a
            certificate that `ca` vouches for, VERIFY_IDENTITY one that names the server's host besides.
        ca: the authorities that vouch for the server; None with VERIFY_IDENTITY stands for those of this machine.
        cert: our own certificate, for servers that ask for one.
        key: its private key; None where it stands in `cert`.
    """

    mode: TlsMode = "PREFERRED"
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @property
    def verifies(self) -> bool:
        """Whether the server has to prove who it is."""
        return self.mode.startswith("VERIFY")

    @property
    def demanded(self) -> bool:
        """Whether a connection without TLS is none."""
        return self.mode == "REQUIRED" or self.verifies


class TlsConnection(Connection):
    """PyMySQL's connection with our rules: without TLS only where they let it."""

    def __init__(self, *, tls: Tls, password: str = "", **parameters: Any) -> None:  # noqa: ANN401
        self._tls = tls
        # A context given as `ssl` lets PyMySQL fail where the server has no TLS. A password goes out in UTF-8, as
        # MySQL's own clients send it; PyMySQL can only do Latin-1.
        demanded = {"ssl": tls_context(tls)} if tls.demanded else {"ssl_disabled": tls.mode == "DISABLED"}
        super().__init__(password=password.encode(), **demanded, **parameters)

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:  # noqa: ANN401, ARG002
        return tls_context(self._tls)


@functools.lru_cache(maxsize=8)
def tls_context(tls: Tls) -> ssl.SSLContext:
    """The context for connections; this machine's own certificates are loaded only where they are asked for.

    They take longer to load than all the rest of connecting takes, and each window connects anew.

    Raises:
        SettingsError: a file is not there or is not what it should be; names the variable.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = tls.mode == "VERIFY_IDENTITY"
    context.verify_mode = ssl.CERT_REQUIRED if tls.verifies else ssl.CERT_NONE
    if tls.ca:
        _require_file("DB_SSL_CA", tls.ca)
        try:
            context.load_verify_locations(tls.ca)
        except (ssl.SSLError, OSError):
            raise SettingsError(
                f"DB_SSL_CA: {tls.ca} holds no certificate that can be read; PEM is expected (-----BEGIN ...)"
            ) from None
    elif tls.verifies:
        context.load_default_certs()
    if tls.cert:
        _load_own(context, tls.cert, tls.key)
    return context


def _load_own(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    _require_file("DB_SSL_CERT", cert)
    if key:
        _require_file("DB_SSL_KEY", key)

    def nobody_to_ask() -> str:
        raise SettingsError(
            f"DB_SSL_KEY: {key or cert} is encrypted, and nobody is there to type its password: openssl pkey -in ..."
            " -out ..."
        )

    try:
        context.load_cert_chain(cert, key, nobody_to_ask)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(
                f"DB_SSL_KEY: {key or cert} is not the key of the certificate in {cert} (DB_SSL_CERT)"
            ) from None
        files = f"{cert} and {key}" if key else str(cert)
        raise SettingsError(
            f"DB_SSL_CERT, DB_SSL_KEY: {files} cannot be read; a certificate and its private key are expected, in PEM "
            "(-----BEGIN ...), in two files or both in DB_SSL_CERT"
        ) from None


def _require_file(name: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise SettingsError(f"{name}: {path} cannot be read ({error.strerror})") from None
