"""The variables DB_...: where the source database is, and how its certificate is verified."""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, Field, SecretStr, field_validator

from aggregation_pipeline.config.hosts_and_urls import read_host
from aggregation_pipeline.config.source_kinds import DEFAULT_KIND, checked_kind, kind_named, required_keys
from aggregation_pipeline.config.sources import TlsMode, normalized_mode
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.source.tls import Tls, tls_context

SOURCE_VARIABLES: Final = ("DB_HOST", "DB_SOCKET", "DB_USER", "DB_NAME")
# The variables of what a kind may need.
_VARIABLES: Final = {"host": "DB_HOST", "user": "DB_USER", "database": "DB_NAME"}
# The longest that Linux and macOS both take.
_LONGEST_SOCKET: Final = 103


class SourceSettings(BaseModel):
    """Either host and port, or a unix socket. Where both are set, the socket is used."""

    db_kind: str = DEFAULT_KIND
    db_host: str | None = None
    db_port: int = Field(default=3306, ge=1, le=65535)
    db_socket: Path | None = None
    db_user: str | None = None
    db_password: SecretStr = SecretStr("")
    db_name: str | None = None

    # The options of MySQL's own clients; see source/tls.py.
    db_ssl_mode: TlsMode = "PREFERRED"
    db_ssl_ca: Path | None = None
    db_ssl_cert: Path | None = None
    db_ssl_key: Path | None = None

    @field_validator("db_kind")
    @classmethod
    def _refuse_unknown_kind(cls, value: str) -> str:
        return checked_kind(value)

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
    def port(self) -> int:
        """The port that is given, else the one where servers of the kind listen."""
        is_usual = "db_port" not in self.model_fields_set and self.db_kind != DEFAULT_KIND
        return kind_named(self.db_kind).port if is_usual else self.db_port

    def missing_variables(self) -> list[str]:
        """The variables that the kind of source needs and that are not set."""
        required = required_keys(self.db_kind)
        missing = [variable for key, variable in _VARIABLES.items() if key in required]
        return [
            name
            for name in missing
            if getattr(self, name.lower()) is None and not (name == "DB_HOST" and self.db_socket)
        ]

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
