"""Where a source database is, whatever its kind."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from aggregation_pipeline.config.source_kinds import DEFAULT_KIND
from aggregation_pipeline.source.tls import Tls

NO_PASSWORD: Final = SecretStr("")
IF_OFFERED: Final = Tls()


@dataclass(frozen=True)
class SourceOptions:
    """Where the source database is, and how to reach it.

    Attributes:
        stall_timeout: seconds without a byte, in either direction, after which a connection counts as lost.
        mask_salt: the key of hashes that stand for personal data; empty if there are none.
        name: that of the source, which its variables are called by; None for the database without a name.
        kind: of the source: mysql; `source/kind.py` finds what reads it.
        database: what tables are in where an entry names nothing; of a kind without servers, where its files are.
    """

    database: str
    user: str = ""
    password: SecretStr = NO_PASSWORD
    host: str | None = None
    port: int = 3306
    socket: Path | None = None
    connect_timeout: int = 10
    stall_timeout: int = 600
    mask_salt: SecretStr = NO_PASSWORD
    tls: Tls = IF_OFFERED
    name: str | None = None
    kind: str = DEFAULT_KIND

    @property
    def where(self) -> str:
        """The server's address, for people; the database, where there is no server."""
        if self.socket or self.host is None:
            return str(self.socket or self.database)
        return f"{self.host}:{self.port}"
