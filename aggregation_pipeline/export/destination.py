"""Where the files of a window go."""

from dataclasses import dataclass
from pathlib import Path

from aggregation_pipeline.config.file_names import StableNames
from aggregation_pipeline.config.options import FormatOptions
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.lock_protocol import Lock


@dataclass(frozen=True)
class Destination:
    """The store to publish to, and how.

    Attributes:
        prefix: the beginning of every key; empty for none.
        run_id: the run that publishes; its publications are named after it.
        options: how formats write values and name files.
        temp_dir: local folder for extracts and rendered files; they are removed after each window.
        lock: the window lock, which the caller holds.
        names: how files get their stable names.
    """

    store: ObjectStore
    prefix: str
    run_id: str
    options: FormatOptions
    temp_dir: Path
    lock: Lock
    names: StableNames = "copy"
