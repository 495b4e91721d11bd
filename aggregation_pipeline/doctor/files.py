"""Where files are published: a probe is stored, read, listed and deleted, so that each right is used once."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from aggregation_pipeline.doctor.findings import Case, attempt
from aggregation_pipeline.errors import StorageError, StorageMissingError
from aggregation_pipeline.source.findings import Finding, ok, warning
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.folder import FolderStore

if TYPE_CHECKING:
    from aggregation_pipeline.storage.oss.store import OssStore

_PROBE: Final = b"aggregation-pipeline check\n"
_TIMEOUT_SECONDS: Final = 10.0
_GIVE_UP_SECONDS: Final = 20.0
# OSS refuses requests whose time is off by 15 minutes.
_SKEW_SECONDS: Final = 60.0


def examine_files(case: Case) -> Iterator[Finding]:
    """Look at the bucket, or at the folder where no bucket is configured. Nothing is left there."""
    settings = case.settings
    if settings.oss_options is None:
        folder = FolderStore(settings.storage_dir)
        yield ok("place", f"files are published in the folder {settings.storage_dir.absolute()}: no bucket is set")
        yield attempt("room", lambda: _room(folder, settings.oss_prefix))
        yield from _rights(folder, settings.oss_prefix)
        return
    # Alibaba's library takes a second to import: only where there is a bucket.
    from aggregation_pipeline.storage.oss.store import OssStore

    bucket = OssStore(
        replace(
            settings.oss_options,
            connect_timeout=_TIMEOUT_SECONDS,
            read_timeout=_TIMEOUT_SECONDS,
            give_up_after=_GIVE_UP_SECONDS,
            attempts=2,
        )
    )
    yield _endpoint(bucket)
    yield from _clock(bucket, settings.oss_prefix)
    yield from _rights(bucket, settings.oss_prefix)
    yield attempt("AbortMultipartUpload", lambda: _parts(bucket, settings.oss_prefix))
    yield _list_parts(bucket, settings.oss_prefix)
    problem = bucket.lifecycle_warning(settings.oss_prefix)
    yield warning("lifecycle", problem, "") if problem else ok("lifecycle", "abandoned parts of uploads are removed")


def _room(folder: FolderStore, prefix: str) -> str:
    folder.prove_writable(prefix)
    return "this user may write there, and the disk is not full"


def _parts(bucket: "OssStore", prefix: str) -> str:
    bucket.prove_writable(prefix, abortable=True)
    return "an upload in parts was begun and aborted"


def _list_parts(bucket: "OssStore", prefix: str) -> Finding:
    try:
        bucket.prove_parts_listable(prefix)
    except StorageError as error:
        return warning("ListParts", f"no run needs it, but people who look for parts left over: {error}", _POLICY)
    return ok("ListParts", "the parts of an upload could be listed")


_POLICY: Final = "Give the key the whole policy of docs/oss.md"


def _endpoint(bucket: "OssStore") -> Finding:
    options = bucket.options
    if options.custom_domain:
        kind = "a domain of the bucket's own"
    elif "accelerate" in options.host:
        kind = "transfer acceleration, which is paid by traffic"
    elif "-internal." in options.host:
        kind = "internal: traffic is free, and reached from inside Alibaba Cloud alone"
    else:
        kind = "public"
    text = f"bucket {options.bucket} at {options.host}, which is {kind}"
    if options.endpoint.startswith("http://"):
        return warning("endpoint", f"{text}, without TLS", "Begin OSS_ENDPOINT with https://")
    return ok("endpoint", text)


def _clock(bucket: "OssStore", prefix: str) -> Iterator[Finding]:
    seconds = bucket.clock_skew(prefix)
    if seconds is not None and abs(seconds) > _SKEW_SECONDS:
        yield warning(
            "clock",
            f"this machine's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} that of OSS, which"
            " refuses what is 15 minutes off",
            "Set it: timedatectl set-ntp true",
        )
    elif seconds is not None:
        yield ok("clock", f"it agrees with that of OSS to {abs(seconds):.0f} s")


def _rights(store: ObjectStore, prefix: str) -> Iterator[Finding]:
    """Use each right by itself: one that is missing must not hide the next."""
    key = "/".join([*([prefix] if prefix else []), f"_check_{secrets.token_hex(4)}"])
    for name, step in _STEPS.items():
        yield attempt(name, lambda step=step: step(store, key))  # type: ignore[misc]


def _put(store: ObjectStore, key: str) -> str:
    store.put(key, _PROBE, media_type="text/plain")
    return "a probe was stored"


def _get(store: ObjectStore, key: str) -> str:
    try:
        if store.read(key) != _PROBE:
            raise StorageError("the probe came back with other content. Look at the proxy between")
    except StorageMissingError:
        return "allowed, though there is no probe to read"
    return "the probe was read, byte by byte the same"


def _list(store: ObjectStore, key: str) -> str:
    return f"{sum(1 for _ in store.list(key))} probe was listed"


def _delete(store: ObjectStore, key: str) -> str:
    store.delete(key)
    return "the probe was deleted"


# By the right that OSS asks for.
_STEPS: Final[Mapping[str, Callable[[ObjectStore, str], str]]] = {
    "PutObject": _put,
    "GetObject": _get,
    "ListObjects": _list,
    "DeleteObject": _delete,
}
