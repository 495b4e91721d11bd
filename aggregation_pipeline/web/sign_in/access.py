"""All that sign-in works with, opened once a process."""

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from aggregation_pipeline.access.accounts import Accounts
from aggregation_pipeline.access.attempts import Attempts
from aggregation_pipeline.access.audit import Audit, Result
from aggregation_pipeline.access.sessions import Sessions
from aggregation_pipeline.access.store import AccessStore
from aggregation_pipeline.access.token_use import TokenUse
from aggregation_pipeline.config.hosts_and_urls import is_loopback
from aggregation_pipeline.errors import AccessBusyError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.common.peers import address_of, is_this_machine
from aggregation_pipeline.web.common.workers import Workers


@dataclass(frozen=True)
class Access:
    """Accounts, sessions and the audit log, and threads for each kind of work that blocks.

    Attributes:
        is_open: whether everybody is admin while there is no account: everybody on this machine, or, where a proxy lets
            in only those who have signed in there, everybody.
        files: for AUTH_FILE, so that tokens work while PostgreSQL takes all of the other threads.
    """

    settings: Settings
    is_open: bool
    accounts: Accounts
    sessions: Sessions
    attempts: Attempts
    audit: Audit
    token_use: TokenUse
    files: Workers
    database: Workers
    passwords: Workers

    async def lets_in_without_sign_in(self, connection: HTTPConnection) -> bool:
        """Return whether who sends this does not have to sign in."""
        if not self.is_open or not (self.settings.sign_in_at_proxy or _is_local(connection)):
            return False
        return await self.files.run(lambda: self.accounts.is_empty)

    async def note(
        self,
        connection: HTTPConnection,
        who: str,
        what: str,
        result: Result,
        details: Mapping[str, object] | None = None,
    ) -> None:
        """Write one line of the audit log; into the service's log if PostgreSQL is away."""
        address = address_of(connection)
        try:
            await self.database.run(self.audit.record, who, what, address, result, details)
        except AccessBusyError as error:
            self.audit.log_missing(error, who, what, address, result, details)


def _is_local(connection: HTTPConnection) -> bool:
    # A proxy on this machine connects from here too. Others reach it by another name, which is in ALLOWED_HOSTS.
    return is_this_machine(connection) and is_loopback(connection.url.hostname or "")


@contextmanager
def open_access(settings: Settings, host: str) -> Iterator[Access]:
    """Yield what a service that listens on `host` needs. Nothing is connected before the first use."""
    signs_in_elsewhere = settings.oidc_issuer is not None or settings.sign_in_header is not None
    kinds = {
        "AUTH_FILE": (2, 64),
        "Dagster's PostgreSQL": (8, 64),
        # Each takes 64 MiB and all of a processor.
        "sign-in": (2, 16),
    }
    files, database, passwords = (
        Workers(what, threads=threads, waiting=waiting, seconds=8, refuse=AccessBusyError)
        for what, (threads, waiting) in kinds.items()
    )
    with closing(AccessStore(settings.require_dagster_url())) as store:
        yield Access(
            settings=settings,
            is_open=(is_loopback(host) or settings.sign_in_at_proxy) and not signs_in_elsewhere,
            accounts=Accounts(settings.auth_path),
            sessions=Sessions(store, idle=settings.session_idle_time, longest=settings.session_longest),
            attempts=Attempts(),
            audit=Audit(store),
            token_use=TokenUse(store),
            files=files,
            database=database,
            passwords=passwords,
        )
