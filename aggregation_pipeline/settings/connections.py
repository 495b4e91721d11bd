"""Makes of the settings the source options and the object store. Nothing is opened here."""

from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from pydantic import SecretStr

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.source import SourceSettings
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.folder import FolderStore

if TYPE_CHECKING:
    from aggregation_pipeline.source.options import SourceOptions
    from aggregation_pipeline.storage.run_logs import RunLogs

NO_SALT: Final = SecretStr("")
_LOG_CONNECT_SECONDS: Final = 5.0
_LOG_READ_SECONDS: Final = 10.0
_LOG_ATTEMPTS: Final = 2


def source_options(settings: Settings) -> "SourceOptions":
    """Return the address of the database without a name, and the account to connect with.

    Raises:
        SettingsError: no database is configured.
    """
    if not settings.has_source:
        raise SettingsError(
            "No source database is configured. Set DB_HOST (or DB_SOCKET), DB_USER, DB_PASSWORD and DB_NAME in the"
            " environment or .env; `make demo` needs none of them."
        )
    return options_of_source(settings, settings.mask_salt or NO_SALT)


def options_of_source(
    settings: SourceSettings, mask_salt: SecretStr = NO_SALT, name: str | None = None
) -> "SourceOptions":
    """Return the same of the variables DB_... alone, all of which have to be there; `name` is that of a source."""
    from aggregation_pipeline.source.options import SourceOptions

    return SourceOptions(
        database=cast("str", settings.db_name),
        user=settings.db_user or "",
        password=settings.db_password,
        host=settings.db_host,
        port=settings.port,
        socket=settings.db_socket,
        tls=settings.tls,
        mask_salt=mask_salt,
        name=name,
        kind=settings.db_kind,
    )


def open_store(settings: Settings) -> ObjectStore:
    """Return the bucket, or the folder where no bucket is configured."""
    if settings.oss_options is None:
        return FolderStore(settings.storage_dir)
    # Alibaba's library takes a second to import: only where there is a bucket.
    from aggregation_pipeline.storage.oss.store import OssStore

    return OssStore(settings.oss_options)


def open_run_logs(settings: Settings) -> "RunLogs":
    """Return the logs of runs in that store.

    A run waits for them when it ends, so less patience is had than for its files; and they are read by people, so they
    are never archived.
    """
    from aggregation_pipeline.storage.run_logs import RunLogs

    options = settings.oss_options
    if options is None:
        return RunLogs(FolderStore(settings.storage_dir), settings.oss_prefix)
    from aggregation_pipeline.storage.oss.store import OssStore

    hurried = replace(
        options,
        connect_timeout=min(options.connect_timeout, _LOG_CONNECT_SECONDS),
        read_timeout=min(options.read_timeout, _LOG_READ_SECONDS),
        attempts=min(options.attempts, _LOG_ATTEMPTS),
        storage_class=options.storage_class and "Standard",
    )
    return RunLogs(OssStore(hurried), settings.oss_prefix)
