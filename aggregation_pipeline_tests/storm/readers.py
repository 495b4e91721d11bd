"""Consumers that read all the time: one goes by the manifest, one by stable names. They note what is wrong."""

import csv
import io
import json
import random
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq

from aggregation_pipeline.errors import StorageBusyError, StorageError, StorageMissingError
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.crc64 import crc64
from aggregation_pipeline.storage.keys import LATEST_FOLDER, MANIFEST, table_folder, window_folder
from aggregation_pipeline.storage.manifest import Manifest, ManifestFile
from aggregation_pipeline.storage.parsed_keys import ParsedKey, parse_key
from aggregation_pipeline.storage.published import fetch_window, load_manifest, published_windows
from aggregation_pipeline_tests.storm.contradictions import Window, contradictions

TABLES: Final = ("accounts", "moves", "archive")
# The archive has 18 MB, so it is read less often.
_OFTEN: Final = (10, 10, 1)


def parsed(name: str, content: bytes) -> Window:
    """Return the rows of a file by dataset, read by other libraries than those that wrote it."""
    kind = name.rsplit(".", 1)[-1]
    if kind == "json":
        read = json.loads(content, parse_float=Decimal)
        return {dataset: read[dataset] for dataset in ("summary", "detail") if dataset in read}
    dataset = name.split(".")[1]
    if kind == "csv":
        return {dataset: list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))}
    return {dataset: pq.read_table(io.BytesIO(content)).to_pylist()}


def same(one: list[dict[str, Any]], other: list[dict[str, Any]]) -> bool:
    """Return whether the rows are the same, even if one format has numbers where the other has text."""
    return [{name: str(cell) for name, cell in row.items()} for row in one] == [
        {name: str(cell) for name, cell in row.items()} for row in other
    ]


def check_files(manifest: Manifest, contents: dict[str, bytes]) -> list[str]:
    """Return what shows that the files, by name, are not one version of the window."""
    wrong, versions = [], dict[str, Window]()
    for file in manifest.files:
        content = contents[file.name]
        if (len(content), str(crc64(content))) != (file.bytes, file.crc64):
            wrong.append(f"{file.key}: not the bytes that the manifest names")
            continue
        window = parsed(file.name, content)
        if sum(map(len, window.values())) != file.rows:
            wrong.append(f"{file.key}: the manifest says {file.rows} rows")
        versions.setdefault(file.format, {})
        versions[file.format] = {**versions[file.format], **window}
    for kind, window in versions.items():
        wrong += [
            f"{manifest.table} {manifest.window} {kind}: {words}" for words in contradictions(manifest.table, window)
        ]
    if "json" in versions and "csv" in versions:
        wrong += [
            f"{manifest.table} {manifest.window} {dataset}: JSON and CSV differ"
            for dataset, rows in versions["json"].items()
            if not same(rows, versions["csv"][dataset])
        ]
    return wrong


@dataclass
class Readers:
    """The two readers.

    Attributes:
        looks: how often each has read something completely.
        gone: how often retention had deleted it meanwhile.
        wrong: what should not be.
    """

    store: ObjectStore
    looks: Counter[str] = field(default_factory=Counter)
    gone: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def begin(self) -> None:
        """Let them begin to read."""
        for look in (self._by_manifest, self._by_name):
            thread = threading.Thread(target=self._read, args=(look,), name=look.__name__, daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Let them stop, and wait for them."""
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def _read(self, look: Any) -> None:
        chance = random.Random(look.__name__)
        while not self._over.wait(0.03):
            try:
                look(chance)
            except StorageBusyError:
                self.gone["store"] += 1
            except Exception as error:  # noqa: BLE001 - the test fails by `wrong`
                self.wrong.append(f"{look.__name__}: {type(error).__name__}: {error}")

    def _by_manifest(self, chance: random.Random) -> None:
        (table,) = chance.choices(TABLES, _OFTEN)
        windows = list(published_windows(self.store, "", table))
        if not windows:
            return
        _, window = chance.choice(windows)
        manifest = load_manifest(self.store, "", table, window)
        if manifest is None:
            self.gone["manifest"] += 1
            return
        with tempfile.TemporaryDirectory() as folder:
            try:
                paths = fetch_window(self.store, manifest, Path(folder))
            except StorageError as error:
                # Retention keeps a replaced version for a day. An expired window is deleted at once, its manifest
                # first.
                again = load_manifest(self.store, "", table, window)
                if again is not None and again.publication == manifest.publication:
                    self.wrong.append(f"{table} {window}: {error}")
                self.gone["manifest"] += 1
                return
            contents = {file.name: path.read_bytes() for file, path in zip(manifest.files, paths, strict=True)}
        self.wrong += check_files(manifest, contents)
        self.looks["manifest"] += 1

    def _by_name(self, chance: random.Random) -> None:
        (table,) = chance.choices(TABLES, _OFTEN)
        keys = [stored.key for stored in self.store.list(table_folder("", table))]
        latest = table_folder("", table) + LATEST_FOLDER + "/"
        named = [key for key in keys if key.startswith(latest) or _is_name(parse_key("", key))]
        if not named:
            return
        key = chance.choice(named)
        name = key.rpartition("/")[2]
        try:
            content = self.store.read(key)
        except StorageMissingError:
            self.gone["name"] += 1
            return
        self.wrong += [f"{key}: {words}" for words in contradictions(table, parsed(name, content))]
        windows = {
            place.window
            for each in keys
            if (place := parse_key("", each)) is not None and (key.startswith(latest) or place == parse_key("", key))
        }
        published = {(file.bytes, file.crc64) for window in windows for file in self._published(table, window, name)}
        if (len(content), str(crc64(content))) not in published and self._still(key) == content:
            self.wrong.append(f"{key}: holds what no publication of its window has published")
        self.looks["name"] += 1

    def _still(self, key: str) -> bytes | None:
        try:
            return self.store.read(key)
        except StorageMissingError:
            return None

    def _published(self, table: str, window: str, name: str) -> list[ManifestFile]:
        """Return the files of this name in all publications of a window."""
        places = [parse_key("", stored.key) for stored in self.store.list(window_folder("", table, window))]
        publications = [
            place.publication for place in places if place is not None and place.publication and place.name == MANIFEST
        ]
        manifests = [
            load_manifest(self.store, "", table, window, publication=publication) for publication in publications
        ]
        return [file for manifest in manifests if manifest is not None for file in manifest.files if file.name == name]


def _is_name(place: ParsedKey | None) -> bool:
    return place is not None and not place.publication and place.name != MANIFEST
