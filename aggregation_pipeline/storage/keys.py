"""Object keys: where a window's files, its manifests and its stored extracts lie. Only this module makes keys.

    {prefix}/{table}/{window}/{publication}/{file}          {prefix}/{table}/{window}/{publication}/manifest.json
    {prefix}/{table}/{window}/manifest.json                 the window manifest: what it names is published
    {prefix}/{table}/{window}/{file}                        a stable name, as {prefix}/{table}/latest/{file}
    {prefix}/{table}/latest.json
    {prefix}/_extracts/{table}/{window}/{publication}/{dataset}.parquet
    {prefix}/_logs/{run}/...                                what the processes of runs printed
    {prefix}/_tests/{test}/...                              all of these, for a test of the whole way

Names are the user's true names. What no path segment can hold (`/`, `\\`) is percent-encoded, and `%` with it, so two
names never have the same key. Names with `..` or control characters are refused: they are a mistake or an attack.
"""

import functools
from collections.abc import Iterable, Sequence

from aggregation_pipeline.config.file_names import RESERVED_STEMS
from aggregation_pipeline.config.sql.table_names import as_segment, name_problem, segment_problem
from aggregation_pipeline.errors import StorageError

MAX_KEY_BYTES = 1023  # OSS's limit; it holds in a folder too, so that a configuration can move to OSS
MANIFEST = "manifest.json"
# The mark: written first into a publication's folder, it says whose folder it is and which files are to come.
MARK = "publication.json"
LATEST = "latest.json"
LATEST_FOLDER = "latest"
EXTRACTS = "_extracts"
TESTS = "_tests"
LOGS = "_logs"
_OWN_FOLDERS = (EXTRACTS, TESTS, LOGS)
DATASETS = ("summary", "detail")
_RESERVED = frozenset(f"{stem}.json" for stem in RESERVED_STEMS)


def publication_id(run_id: str, attempt: int) -> str:
    """Return the name of a run's publication: the run's id, from the second attempt on `<run id>.<attempt>`."""
    return run_id if attempt == 1 else f"{run_id}.{attempt}"


def run_of(publication: str) -> str:
    """Return the id of the run that made a publication."""
    return publication.partition(".")[0]


def table_folder(prefix: str, table: str) -> str:
    """Return the key prefix, with the closing slash, of all that is published of a table."""
    return _join(prefix, _name(table, "table")) + "/"


def window_folder(prefix: str, table: str, window: str) -> str:
    """Return the key prefix, with the closing slash, of all that a window publishes."""
    return _join(prefix, _name(table, "table"), _name(window, "window")) + "/"


def window_key(prefix: str, table: str, window: str, filename: str, *, publication: str | None = None) -> str:
    """Return the stable name of a file; with `publication`, the key that it keeps in that publication's folder."""
    folders = [] if publication is None else [_name(publication, "run")]
    return _join(prefix, _name(table, "table"), _name(window, "window"), *folders, _file(table, filename))


def latest_name_key(prefix: str, table: str, filename: str) -> str:
    """Return the stable name that a file has while its window is the newest."""
    return _join(prefix, _name(table, "table"), LATEST_FOLDER, _file(table, filename))


def manifest_key(prefix: str, table: str, window: str, *, publication: str | None = None) -> str:
    """Return the key of the window manifest; with `publication`, of the manifest beside that publication's files."""
    folders = [] if publication is None else [_name(publication, "run")]
    return _join(prefix, _name(table, "table"), _name(window, "window"), *folders, MANIFEST)


def mark_key(prefix: str, table: str, window: str, publication: str) -> str:
    """Return the key of a publication's mark, which takes its folder for one attempt."""
    return _join(prefix, _name(table, "table"), _name(window, "window"), _name(publication, "run"), MARK)


def latest_key(prefix: str, table: str) -> str:
    """Return the key of the small object that names the table's newest window."""
    return table_folder(prefix, table) + LATEST


def tests_root(prefix: str) -> str:
    """Return the key prefix, with the closing slash, of all that tests publish. No table has keys there."""
    return _join(prefix, TESTS) + "/"


def logs_folder(prefix: str, parts: Sequence[str]) -> str:
    """Return the key prefix, with the closing slash, of all logs whose key has these parts first."""
    return _join(prefix, LOGS, *(_name(part, "log") for part in parts)) + "/"


def log_key(prefix: str, parts: Sequence[str], ending: str) -> str:
    """Return the key of a log that Dagster knows by these parts.

    Raises:
        StorageError: they can be no key.
    """
    if not parts:
        raise StorageError("A log without a name can have no key.")
    return _fits(logs_folder(prefix, parts).removesuffix("/") + ending)


def extracts_root(prefix: str) -> str:
    """Return the key prefix, with the closing slash, of all stored extracts."""
    return _join(prefix, EXTRACTS) + "/"


def extracts_folder(prefix: str, table: str, window: str) -> str:
    """Return the key prefix, with the closing slash, of a window's stored extracts."""
    return _join(prefix, EXTRACTS, _name(table, "table"), _name(window, "window")) + "/"


def extract_key(prefix: str, table: str, window: str, publication: str, dataset: str) -> str:
    """Return the key of a dataset's stored extract: apart from the files, so that extracts can expire by prefix."""
    return _fits(
        f"{extracts_folder(prefix, table, window)}{_name(publication, 'run')}/{_name(dataset, 'dataset')}.parquet"
    )


def refuse_long_names(prefix: str, table: str) -> None:
    """Prove, before anything runs, that all keys of a table can be made.

    Raises:
        StorageError: one would be longer than OSS takes, or the name or the prefix can be part of no key.
    """
    window, publication = "2026-11-20-14:00+0100", "00000000-0000-0000-0000-000000000000.100"
    window_key(prefix, table, window, f"{table}.summary.parquet", publication=publication)
    extract_key(prefix, table, window, publication, "summary")


def refuse_folder_of_tables(prefix: str, begin: str, tables: Iterable[str]) -> None:
    """Prove that keys with this beginning, which holds a whole folder, lie apart from those of the tables.

    Raises:
        StorageError: they do not.
    """
    root = tables_prefix(prefix)
    owners = {f"{as_segment(table)}/": f"of the table {table!r}" for table in tables}
    owners |= {f"{folder}/": "of this package's own files" for folder in _OWN_FOLDERS}
    folder = begin[: begin.index("/") + 1]
    if root and begin.startswith(root):
        problem = f"{root} is OSS_PREFIX, below which the tables have their folders"
    elif not root and folder in owners:
        problem = f"{folder} is the folder {owners[folder]}"
    else:
        return
    raise StorageError(f"{problem}. Begin with a folder of another name")


def tables_prefix(prefix: str) -> str:
    """Return the key prefix of all tables; empty at the root."""
    return "" if not (clean := _prefix(prefix)) else clean + "/"


def check_key(key: str) -> str:
    """Return `key` itself, after proof that no store could misread it. Every path and request passes here.

    Raises:
        StorageError: a store could misread it.
    """
    if not key or key.startswith("/"):
        raise StorageError(
            f"The object key {key!r} is empty or begins with '/': keys are relative to the store's root."
        )
    for segment in key.split("/"):
        _refuse(segment_problem(segment), "object key", key)
    if "\\" in key:
        raise StorageError(f"The object key {key!r} holds a backslash, which some systems read as a folder separator.")
    return _fits(key)


@functools.lru_cache(maxsize=256)
def _name(name: str, what: str) -> str:
    """Return a user's name as one path segment. A table has dozens of keys, with few names."""
    _refuse(name_problem(name), what, name)
    if name in _OWN_FOLDERS and what == "table":  # keeps a table of this name out of our own folders
        return "%5F" + name[1:]
    return as_segment(name)


def _file(table: str, filename: str) -> str:
    segment = _name(filename, f"file name of table {table!r},")
    # The JSON file of a table called `manifest` must not take the manifest's place.
    if segment.lower() in _RESERVED:
        segment = f"%{ord(segment[0]):02X}{segment[1:]}"
    return segment


def _prefix(prefix: str) -> str:
    clean = prefix.removesuffix("/")
    if clean:
        for part in clean.replace("\\", "/").split("/"):
            _refuse(
                segment_problem(part),
                "prefix",
                prefix,
                remedy="Correct OSS_PREFIX: folders are written as exports/daily.",
            )
    if "\\" in clean:
        raise StorageError(f"The prefix (OSS_PREFIX) {prefix!r} holds a backslash: write folders with '/'.")
    return clean


def _join(prefix: str, *segments: str) -> str:
    clean = _prefix(prefix)
    return _fits("/".join([clean, *segments] if clean else segments))


def _refuse(problem: str | None, what: str, whole: str, *, remedy: str = "Give the entry another name.") -> None:
    if problem:
        raise StorageError(f"The {what} {whole!r} cannot be part of an object key: it {problem}. {remedy}")


def _fits(key: str) -> str:
    if (size := len(key.encode())) > MAX_KEY_BYTES:
        raise StorageError(
            f"The object key {key[:60]!r}... has {size} bytes in UTF-8; OSS takes {MAX_KEY_BYTES} at most. "
            "Shorten the entry's name or OSS_PREFIX."
        )
    return key
