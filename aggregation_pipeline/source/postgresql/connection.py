"""How libpq is told where the source database is."""

from collections.abc import Mapping
from typing import Final

from aggregation_pipeline.config.sources import TlsMode
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.source.tls import Tls

APPLICATION_NAME: Final = "aggregation_pipeline"
_TLS_MODES: Final[Mapping[TlsMode, str]] = {
    "DISABLED": "disable",
    "PREFERRED": "prefer",
    "REQUIRED": "require",
    "VERIFY_CA": "verify-ca",
    "VERIFY_IDENTITY": "verify-full",
}
# A file that cannot be there: libpq would look for another in the home folder where none is named.
_NO_FILE: Final = "/dev/null/none"


def connection_text(options: SourceOptions) -> str:
    """Return libpq's text for a connection. It holds the password: it goes to the driver and nowhere else.

    All that can be said here is said, so that no variable (PGOPTIONS, PGSSLMODE), password file or service file of this
    machine changes it. What poolers may not know (`options`) is left out of what the server is sent.

    Raises:
        SettingsError: a certificate is to be verified, and nothing says by which authorities.
    """
    # The folder of a socket; libpq adds the file's name, which holds the port.
    host = str(options.socket.parent if options.socket and options.socket.is_socket() else options.socket or "")
    values = {
        "host": host or str(options.host),
        "hostaddr": "",
        "port": str(_port_of(options)),
        "dbname": options.database,
        "user": options.user,
        "password": options.password.get_secret_value(),
        "passfile": _NO_FILE,
        # Any but this one, which no server asks for here: an empty text would mean none at all.
        "require_auth": "!sspi",
        "channel_binding": "prefer",
        "options": "",
        "application_name": APPLICATION_NAME,
        "client_encoding": "UTF8",
        "connect_timeout": str(max(2, options.connect_timeout)),
        "keepalives": "1",
        "keepalives_idle": "30",
        "keepalives_interval": "10",
        "keepalives_count": "3",
        "tcp_user_timeout": str(options.stall_timeout * 1000),
        "target_session_attrs": "any",
        "gssencmode": "disable",
        **_tls(options.tls),
    }
    return " ".join(f"{key}={_quoted(value)}" for key, value in values.items())


def _port_of(options: SourceOptions) -> int:
    ending = options.socket.suffix.removeprefix(".") if options.socket and options.socket.is_socket() else ""
    return int(ending) if ending.isdigit() else options.port


def _tls(tls: Tls) -> Mapping[str, str]:
    if tls.mode == "VERIFY_CA" and tls.ca is None:
        raise SettingsError(
            "DB_SSL_CA: DB_SSL_MODE=VERIFY_CA needs the certificates of the authorities that may sign the server's."
            " Without them only VERIFY_IDENTITY can take those of this machine."
        )
    authorities = _NO_FILE
    if tls.verifies:
        authorities = str(tls.ca or "system")
    return {
        "sslmode": _TLS_MODES[tls.mode],
        "sslrootcert": authorities,
        "sslcert": str(tls.cert or _NO_FILE),
        "sslkey": str(tls.key or tls.cert or _NO_FILE),
        "sslcertmode": "allow" if tls.cert else "disable",
        "sslcrl": _NO_FILE,
        "sslcrldir": "",
        "sslnegotiation": "postgres",
        "ssl_min_protocol_version": "TLSv1.2",
        "ssl_max_protocol_version": "",
    }


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
