"""TLS to a source database, by the modes of MySQL's own clients, whatever its kind."""

import functools
import ssl
from dataclasses import dataclass
from pathlib import Path

from aggregation_pipeline.config.sources import TlsMode
from aggregation_pipeline.errors import SettingsError


@dataclass(frozen=True)
class Tls:
    """How a connection is encrypted and verified. Files are PEM.

    Attributes:
        mode: DISABLED uses no TLS. PREFERRED uses it where the server offers it, and verifies nothing. REQUIRED fails
            without it. VERIFY_CA wants a certificate signed by `ca`; VERIFY_IDENTITY wants one that also names the
            server's host.
        ca: certificates of the authorities that may sign the server's; None uses those of this machine.
        cert: our own certificate, for servers that ask for one.
        key: its private key; None if it is in `cert`.
    """

    mode: TlsMode = "PREFERRED"
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @property
    def verifies(self) -> bool:
        """Whether the server's certificate is verified."""
        return self.mode.startswith("VERIFY")

    @property
    def demanded(self) -> bool:
        """Whether connecting fails where the server offers no TLS."""
        return self.mode == "REQUIRED" or self.verifies


@functools.lru_cache(maxsize=8)
def tls_context(tls: Tls) -> ssl.SSLContext:
    """Return the context for connections.

    It is cached, and loads this machine's own certificates only if they are needed: that takes longer than all the rest
    of connecting, and each window connects anew.

    Raises:
        SettingsError: a file is missing or is not what it should be; the message names the variable.
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
            f"DB_SSL_KEY: {key or cert} is encrypted, and nobody can type its password here: openssl pkey -in ..."
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
