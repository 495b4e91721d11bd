"""Whether the source database answers."""

from contextlib import suppress
from dataclasses import replace
from typing import Final

import pymysql
import sqlalchemy as sa

from aggregation_pipeline.source.mysql.connection import source_engine
from aggregation_pipeline.source.mysql.errors import translate_errors
from aggregation_pipeline.source.named_variables import named_variables
from aggregation_pipeline.source.options import SourceOptions

_ANY_ERROR: Final = (sa.exc.SQLAlchemyError, pymysql.MySQLError, OSError)


class MySQLCheck:
    """Asks by one connection, which is kept. No run shares it, and it takes no slot of a pool."""

    def __init__(self, options: SourceOptions, seconds: int) -> None:
        self._where, self._name = options.where, options.name
        # Other time limits than those of runs: so this is another engine.
        self._engine = source_engine(replace(options, connect_timeout=seconds, stall_timeout=seconds))
        self._connection: sa.Connection | None = None

    def __call__(self) -> None:
        """Ask for 1.

        Raises:
            SourceError: the server does not answer, or refuses the account.
        """
        # A server or a proxy may have closed the connection since the last question.
        if not self._answers():
            with named_variables(self._name), translate_errors(self._where):
                self._connection = self._engine.connect()
                self._connection.exec_driver_sql("SELECT 1")

    def close(self) -> None:
        """Close the connection."""
        self._forget()
        self._engine.dispose()

    def _answers(self) -> bool:
        if self._connection is None:
            return False
        try:
            self._connection.exec_driver_sql("SELECT 1")
        except _ANY_ERROR:
            self._forget()
            return False
        return True

    def _forget(self) -> None:
        if self._connection is not None:
            with suppress(*_ANY_ERROR):
                self._connection.invalidate()
                self._connection.close()
            self._connection = None
