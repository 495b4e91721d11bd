"""A statement that the server may refuse without an end of the session's transaction."""

import contextlib
from collections.abc import Iterator

from aggregation_pipeline.errors import SourceError, SourceLostError
from aggregation_pipeline.source.postgresql.session import Session


@contextlib.contextmanager
def savepoint(session: Session) -> Iterator[None]:
    """Keep the transaction usable whatever the server refuses in the body; the refusal itself goes on.

    Raises:
        SourceError: as the body does.
    """
    session.link.run("SAVEPOINT asked")
    try:
        yield
    except SourceLostError:
        raise
    except SourceError:
        # What waits no longer for its answer cannot be asked anything more.
        with contextlib.suppress(SourceError):
            session.link.run("ROLLBACK TO SAVEPOINT asked")
        raise
    session.link.run("RELEASE SAVEPOINT asked")
