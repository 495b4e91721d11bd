"""The IO manager for values of assets: one object for each asset or partition, on OSS or in a folder.

It is not a UPathIOManager: that class deletes a local file at the same relative path when it writes a partitioned
asset, and refuses backfills in a single run.
"""

import typing
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from dagster import ConfigurableIOManager, InputContext, IOManager, OutputContext, TableColumn, TableSchema
from pydantic import Field

from aggregation_pipeline.config.messages.listing import some_of
from aggregation_pipeline.errors import StorageError, StorageMissingError, UserCodeError
from aggregation_pipeline.io_managers.tables import PublishedTables, table_of
from aggregation_pipeline.io_managers.value_keys import bases_of
from aggregation_pipeline.io_managers.values import (
    EXTENSIONS,
    Wanted,
    Written,
    annotations,
    read_value,
    shown,
    wanted_by,
    write_value,
)
from aggregation_pipeline.resources.oss import OSSFields
from aggregation_pipeline.resources.publisher import Publisher
from aggregation_pipeline.runs.redaction import redact_errors
from aggregation_pipeline.runs.tags import COLUMN_SCHEMA_KEY, PARTITION_ROW_COUNT_KEY, ROW_COUNT_KEY, URI_KEY
from aggregation_pipeline.storage.base import ObjectStore, StoredObject
from aggregation_pipeline.tempfiles.working_directory import working_directory

_MISSING_SHOWN: Final = 20


class ValuesIOManager(IOManager):
    """Stores and loads the values of assets, and loads tables of the pipeline.

    Args:
        store: where values lie.
        prefix: the beginning of their keys; empty for none.
        temp_dir: local folder for files on their way.
        tables: what loads an upstream asset that is a table.
    """

    def __init__(self, store: ObjectStore, prefix: str, temp_dir: Path, tables: PublishedTables) -> None:
        self._store, self._prefix, self._temp_dir, self._tables = store, prefix, temp_dir, tables

    def handle_output(self, context: OutputContext, obj: object) -> None:
        """Store what an asset or op returned. What the user's own code raises meanwhile is raised as it is.

        Raises:
            StorageError: it is of a type that is not stored; or several partitions are asked for, and it is no mapping
                with a value for each.
        """
        try:
            self._store_output(context, obj)
        except UserCodeError as wrapped:
            error = wrapped.error
        else:
            return
        raise error

    @redact_errors
    def _store_output(self, context: OutputContext, obj: object) -> None:
        bases = bases_of(context, self._prefix)
        values = dict.fromkeys(bases, obj)
        if len(bases) != 1 or (isinstance(obj, Mapping) and None not in bases):
            values = _by_partition(obj, bases, _name(context))
        with working_directory(self._temp_dir) as directory:
            # All of them before the first is stored: what cannot be stored is refused here.
            files = [
                (bases[key], directory / f"value{number}", _write(value, directory / f"value{number}", context, key))
                for number, (key, value) in enumerate(values.items())
            ]
            stored = [(self._put(base, path, written), written) for base, path, written in files]
        context.add_output_metadata(self._metadata(stored, partitioned=None not in bases))

    @redact_errors
    def load_input(self, context: InputContext) -> object:
        """Load what an upstream asset or op has stored, as the parameter's annotation asks.

        Raises:
            StorageError: nothing is stored there, something of another kind, or the annotation is none of those that
                a value can be loaded as.
        """
        annotation = context.dagster_type.typing_type
        table = table_of(context)
        if table is not None:
            return self._tables.load(context, table, annotation)
        if typing.get_origin(annotation) is list and not context.has_asset_key:
            # Of an input that several outputs go to, each is asked for by itself.
            (annotation,) = typing.get_args(annotation)
        wanted = wanted_by(annotation)
        if wanted is None:
            raise StorageError(
                f"input {context.name!r} is annotated as {shown(annotation)}; annotate it as {annotations()}."
            )
        bases = bases_of(context, self._prefix)
        found: dict[str | None, object] = {}
        missing: list[str] = []
        for key, base in bases.items():
            try:
                found[key] = self._get(base, wanted, _name(context, key))
            except StorageMissingError:
                missing.append(self._store.uri(base + wanted.extension) if key is None else key)
        if missing and not (context.definition_metadata or {}).get("allow_missing_partitions"):
            what = "Nothing is stored" if None in bases else f"Nothing is stored for {some_of(missing, _MISSING_SHOWN)}"
            raise StorageMissingError(
                f"{what} of {_name(context)}, which input {context.name!r} needs. Materialize it first; one that"
                " returned its value to another IO manager has to be materialized anew."
            )
        if missing:
            context.log.warning("no value of %s for %s", _name(context), some_of(missing, _MISSING_SHOWN))
        if wanted.by_partition or len(bases) > 1:
            return _mapping(found, wanted, context)
        return next(iter(found.values()), None)

    def _put(self, base: str, path: Path, written: Written) -> StoredObject:
        _, media_type = EXTENSIONS[written.extension]
        former = self._of_other_kinds(base, written.extension)
        stored = self._store.put(base + written.extension, path, media_type=media_type)
        self._forget(former)
        return stored

    def _of_other_kinds(self, base: str, extension: str) -> list[StoredObject]:
        """The values of other kinds that are stored now."""
        others = sorted(EXTENSIONS.keys() - {extension})
        return [found for other in others if (found := self._store.head(base + other)) is not None]

    def _forget(self, former: list[StoredObject]) -> None:
        """Delete these, so that none is taken for the new value. What has changed meanwhile is another writer's."""
        for value in former:
            if self._store.head(value.key) == value:
                self._store.delete(value.key)

    def _get(self, base: str, wanted: Wanted, name: str) -> object:
        with working_directory(self._temp_dir) as directory:
            path = directory / "value"
            for extension in sorted(EXTENSIONS, key=lambda one: one != wanted.extension):
                with suppress(StorageMissingError):
                    self._store.get(base + extension, path)
                    holds, _ = EXTENSIONS[extension]
                    if wanted.kind is not None and extension not in (wanted.extension, ".none"):
                        raise StorageError(
                            f"{name} holds {holds} ({self._store.uri(base + extension)}), and {wanted.name} is asked"
                            " for: annotate the input by what the asset returns."
                        )
                    try:
                        return read_value(path, extension, wanted.kind)
                    except StorageError as error:
                        problem = f"{name} ({self._store.uri(base + extension)}): {error}."
                    raise StorageError(problem)
        raise StorageMissingError(f"nothing is stored of {name}")

    def _metadata(self, stored: list[tuple[StoredObject, Written]], *, partitioned: bool) -> dict[str, Any]:
        objects = [one for one, _ in stored]
        last_object, last = stored[-1]
        metadata: dict[str, Any] = {"bytes": sum(one.bytes for one in objects)}
        if len(objects) == 1:
            metadata |= {URI_KEY: self._store.uri(last_object.key), "key": last_object.key, "crc64": last_object.crc64}
        else:
            metadata["objects"] = len(objects)
        if last.rows is not None:
            rows = sum(written.rows or 0 for _, written in stored)
            metadata[PARTITION_ROW_COUNT_KEY if partitioned and len(objects) == 1 else ROW_COUNT_KEY] = rows
            metadata[COLUMN_SCHEMA_KEY] = TableSchema([TableColumn(name, kind) for name, kind in last.columns])
        return metadata


class OSSIOManager(OSSFields, ConfigurableIOManager):
    """Stores what assets and ops return on Alibaba Cloud OSS, or in a folder, and loads it as parameters are annotated.

    DataFrames of pandas and polars, polars' LazyFrames, Arrow's tables, record batches and their readers are Parquet
    files; bytes and texts are stored as they are. Nothing is pickled. A parameter that is annotated as another kind of
    rows than was returned gets that one; without an annotation it gets what was returned. docs/dagster_projects.md has
    the details.
    """

    prefix: str = Field(default="", description="The beginning of every key, as reports/daily.")

    def handle_output(self, context: OutputContext, obj: object) -> None:
        """Store what an asset or op returned; see `ValuesIOManager`."""
        self._manager().handle_output(context, obj)

    def load_input(self, context: InputContext) -> object:
        """Load what an upstream asset or op has stored; see `ValuesIOManager`."""
        return self._manager().load_input(context)

    def _manager(self) -> ValuesIOManager:
        store = self.open_store()
        tables = PublishedTables(Publisher(store, self.prefix, self.working_folder, locks_url=""))
        return ValuesIOManager(store, self.prefix, self.working_folder, tables)


def _write(value: object, path: Path, context: OutputContext, partition: str | None) -> Written:
    try:
        return write_value(value, path)
    except StorageError as error:
        problem = f"{_name(context, partition)} returned what cannot be stored: {error}."
    raise StorageError(problem)


def _by_partition(obj: object, bases: Mapping[str | None, str], name: str) -> dict[str | None, object]:
    """The value of each partition of a run over several."""
    wanted = set(bases)
    if isinstance(obj, Mapping) and set(obj) == wanted:
        return dict(obj)
    found = f"a dict with the keys {some_of(sorted(map(str, obj)), _MISSING_SHOWN)}" if isinstance(obj, Mapping) else ""
    raise StorageError(
        f"{name} was computed for {len(wanted)} partitions, so a dict that is returned has a value for each of"
        f" them ({some_of(sorted(map(str, wanted)), _MISSING_SHOWN)}); {found or f'a {type(obj).__qualname__}'} was"
        " returned. With BackfillPolicy.multi_run() each partition has a run of its own."
    )


def _mapping(found: Mapping[str | None, object], wanted: Wanted, context: InputContext) -> object:
    if not wanted.by_partition and wanted.kind is not None:
        raise StorageError(
            f"input {context.name!r} gets {len(found)} partitions, and is annotated as {wanted.name}: annotate it as"
            f" dict[str, {wanted.name}]."
        )
    return dict(found)


def _name(context: InputContext | OutputContext, partition: str | None = None) -> str:
    if not context.has_asset_key:
        return f"output {'/'.join(context.get_identifier()[1:])}"
    name = f"asset {context.asset_key.to_user_string()}"
    return name if partition is None else f"{name}, partition {partition},"
