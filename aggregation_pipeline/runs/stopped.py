"""Whether somebody has stopped a run while its process is at work.

Dagster cancels a run by a message to the code server that started it. Where that server is gone, or another machine has
the run, the message reaches nobody. So the run's own process reads the status of its run from Dagster's PostgreSQL.
"""

from typing import Final

import sqlalchemy as sa

_STATUS: Final = sa.text("SELECT status FROM runs WHERE run_id = :run_id")
# Who cancels a run, or gives up on it, sets these. Only the run's own process sets SUCCESS.
_STOPPED: Final = frozenset({"CANCELING", "CANCELED", "FAILURE"})


def is_stopped(connection: sa.Connection, run_id: str) -> bool:
    """Return whether the run is being cancelled, or has ended. `connection` is to Dagster's PostgreSQL.

    A run that is not there, because it begins in a moment or was deleted, counts as one that goes on.
    """
    try:
        return connection.execute(_STATUS, {"run_id": run_id}).scalar_one_or_none() in _STOPPED
    except sa.exc.ProgrammingError:
        # There are no runs: Dagster keeps them elsewhere.
        return False


def interrupt_if_stopped(connection: sa.Connection, run_id: str) -> None:
    """Raise KeyboardInterrupt if the run is stopped, as the signal does by which Dagster cancels a run.

    Any other exception would make Dagster report a failure of a run that has ended already.
    """
    if is_stopped(connection, run_id):
        raise KeyboardInterrupt(f"Run {run_id} was stopped: nothing more is published")
