"""The variables DB_...: where the source database is, and how its certificate is verified."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, Field, SecretStr, field_validator

from aggregation_pipeline.config.hosts_and_urls import read_host
from aggregation_pipeline.config.sources import TlsMode, normalized_mode
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.source.mysql.tls import Tls, tls_context

SOURCE_VARIABLES: Final = ("DB_HOST", "DB_SOCKET", "DB_USER", "DB_NAME")
# The longest that Linux and macOS both take.
_LONGEST_SOCKET: Final = 103


class SourceSettings(BaseModel):
    """Either host and port, or a unix socket. Where both are set, the socket is used."""

    db_host: str | None = None
    db_port: int = Field(default=3306, ge=1, le=65535)
    db_socket: Path | None = None
    db_user: str | None = None
    db_password: SecretStr = SecretStr("")
    db_name: str | None = None

    # The options of MySQL's own clients; see source/mysql/tls.py.
    db_ssl_mode: TlsMode = "PREFERRED"
    db_ssl_ca: Path | None = None
    db_ssl_cert: Path | None = None
    db_ssl_key: Path | None = None

    @field_validator("db_host")
    @classmethod
    def _read_host(cls, value: str | None) -> str | None:
        return None if value is None else read_host(value)

    @field_validator("db_socket")
    @classmethod
    def _refuse_long_path(cls, value: Path | None) -> Path | None:
        if value is not None and len(bytes(value)) > _LONGEST_SOCKET:
            raise ValueError(f"the path of a socket has at most {_LONGEST_SOCKET} bytes, this one {len(bytes(value))}")
        return value

    @field_validator("db_ssl_mode", mode="before")
    @classmethod
    def _normalize_mode(cls, value: object) -> object:
        return normalized_mode(value)

    @property
    def tls(self) -> Tls:
        """How connections are encrypted and verified. Who gives an authority's certificate wants it to be used."""
        mode = self.db_ssl_mode
        if self.db_ssl_ca is not None and "db_ssl_mode" not in self.model_fields_set:
            mode = "VERIFY_IDENTITY" if self.db_socket is None else "VERIFY_CA"
        return Tls(mode, self.db_ssl_ca, self.db_ssl_cert, self.db_ssl_key)

    def tls_problems(self) -> list[str]:
        """Name the TLS variables that exclude each other, or whose files cannot be read."""
        tls = self.tls
        problems = [message for broken, message in _rules(tls, by_socket=self.db_socket is not None) if broken][:1]
        if not problems:
            try:
                tls_context(tls)
            except SettingsError as error:
                problems.append(str(error))
        return problems


def _rules(tls: Tls, *, by_socket: bool) -> tuple[tuple[bool, str], ...]:
    """(whether a rule is broken, what to say then), the most important first."""
    return (
        (
            tls.ca is not None and not tls.verifies,
            (
                f"DB_SSL_CA is set, but DB_SSL_MODE={tls.mode} verifies nothing: set DB_SSL_MODE=VERIFY_IDENTITY, or"
                " VERIFY_CA where the certificate does not name the host"
            ),
        ),
        (
            tls.mode == "DISABLED" and bool(tls.cert or tls.key),
            (
                "DB_SSL_CERT and DB_SSL_KEY are of no use with DB_SSL_MODE=DISABLED: leave them out, or set"
                " DB_SSL_MODE=REQUIRED"
            ),
        ),
        (
            tls.key is not None and not tls.cert,
            "DB_SSL_KEY is set, but DB_SSL_CERT, the certificate that it belongs to, is missing",
        ),
        (
            tls.mode == "VERIFY_CA" and not tls.ca,
            (
                "DB_SSL_MODE=VERIFY_CA needs DB_SSL_CA: with the authorities that this machine trusts, anybody's"
                " certificate would do. Where one of them signed the server's, take VERIFY_IDENTITY"
            ),
        ),
        (
            tls.mode == "VERIFY_IDENTITY" and by_socket,
            "DB_SSL_MODE=VERIFY_IDENTITY compares the host's name, and DB_SOCKET has none: take VERIFY_CA or REQUIRED",
        ),
    )
