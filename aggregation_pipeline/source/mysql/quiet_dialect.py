"""SQLAlchemy's dialect, which here asks the server nothing of its own.

At the first connection it would ask for five settings, some of which servers of MySQL's kin refuse. All that it learns
is for SQL that it makes; the statements here are complete.
"""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql

DRIVER_NAME: Final = "mysql+quiet"


class QuietDialect(MySQLDialect_pymysql):
    """The dialect for PyMySQL without its questions."""

    supports_statement_cache = True

    def on_connect(self) -> Callable[[object], None]:
        """Send nothing: PyMySQL has set the character set already."""
        return lambda _: None

    def initialize(self, connection: sa.Connection) -> None:
        """Ask nothing."""


registry.register(DRIVER_NAME.replace("+", "."), __name__, QuietDialect.__name__)
