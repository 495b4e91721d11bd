"""Object keys: where a window's files, its manifest and its stored extract live. The only place that puts keys together.

    {prefix}/{table}/{window}/{file}                 {prefix}/{table}/{window}/manifest.json      {prefix}/{table}/latest.json
    {prefix}/{table}/{window}/{run}/{file}           {prefix}/{table}/{window}/{run}/manifest.json     (layout: versioned)
    {prefix}/_extracts/{table}/{window}/{run}/{dataset}.parquet

Names are the user's true names. What no path segment can hold (`/`, `\\`) is percent-encoded, and `%` with it, so that two names
never meet in one key. What nobody means (`..`, control characters) is refused: such a name is a mistake or an attack.
"""

from urllib.parse import unquote

from aggregation_pipeline.config.names import as_segment, name_problem, segment_problem
from aggregation_pipeline.errors import StorageError

MAX_KEY_BYTES = 1023  # the limit of OSS, kept in the folder too, so that a configuration can move from one to the other
MANIFEST = "manifest.json"
LATEST = "latest.json"
EXPIRED = "expired.json"
EXTRACTS = "_extracts"


def window_folder(prefix: str, table: str, window: str) -> str:
    """Key prefix, with the closing slash, of everything that a window publishes."""
    return _join(prefix, _name(table, "table"), _name(window, "window")) + "/"


def window_key(prefix: str, table: str, window: str, filename: str, *, version: str | None = None) -> str:
    """Key of a data file; `version` (a run id) puts it into a folder of its own for layouts that keep every run's files."""
    segment = _name(filename, f"file name of table {table!r},")
    if segment.lower() in {MANIFEST, LATEST, EXPIRED}:  # a table called `manifest`, as JSON, must not take the manifest's place
        segment = f"%{ord(segment[0]):02X}{segment[1:]}"
    folders = [] if version is None else [_name(version, "run")]
    return _join(prefix, _name(table, "table"), _name(window, "window"), *folders, segment)


def manifest_key(prefix: str, table: str, window: str, *, version: str | None = None) -> str:
    """Key of the window's commit mark; with `version`, of the manifest that stays with the files of that run."""
    folders = [] if version is None else [_name(version, "run")]
    return _join(prefix, _name(table, "table"), _name(window, "window"), *folders, MANIFEST)


def expired_key(prefix: str, table: str, window: str) -> str:
    """Key under which an expired window's manifest stands while its files are being deleted."""
    return f"{window_folder(prefix, table, window)}{EXPIRED}"


def latest_key(prefix: str, table: str) -> str:
    """Key of the small object that names the table's newest window."""
    return _join(prefix, _name(table, "table"), LATEST)


def extracts_folder(prefix: str, table: str, window: str) -> str:
    """Key prefix, with the closing slash, of a window's stored extracts."""
    return _join(prefix, EXTRACTS, _name(table, "table"), _name(window, "window")) + "/"


def extract_key(prefix: str, table: str, window: str, run_id: str, dataset: str) -> str:
    """Key of a dataset's stored extract, apart from the files so that extracts can expire by prefix."""
    return _fits(f"{extracts_folder(prefix, table, window)}{_name(run_id, 'run')}/{_name(dataset, 'dataset')}.parquet")


def refuse_long_names(prefix: str, table: str) -> None:
    """Prove, before anything runs, that each key of a table fits.

    Raises:
        StorageError: one would be longer than OSS takes, or the name or the prefix can be part of none.
    """
    window, run = "2026-11-20-14:00", "00000000-0000-0000-0000-000000000000"
    window_key(prefix, table, window, f"{table}.summary.parquet", version=run)
    extract_key(prefix, table, window, run, "summary")


def tables_prefix(prefix: str) -> str:
    """Key prefix under which all tables lie; empty at the root."""
    return "" if not (clean := _prefix(prefix)) else clean + "/"


def split_manifest_key(prefix: str, key: str, name: str = MANIFEST) -> tuple[str, str] | None:
    """Table and window of a manifest's key (of the object called `name` there), None for any other key: the way back, for listings."""
    root = tables_prefix(prefix)
    match key.removeprefix(root).split("/") if key.startswith(root) else []:
        case [table, window, last] if last == name and table != EXTRACTS:
            return unquote(table), unquote(window)
        case _:
            return None


def check_key(key: str) -> str:
    """`key` itself when no store could misread it, StorageError otherwise: the last gate before a path or a request is made."""
    if not key or key.startswith("/"):
        raise StorageError(f"The object key {key!r} is empty or begins with '/': keys are relative to the store's root.")
    for segment in key.split("/"):
        _refuse(segment_problem(segment), "object key", key)
    if "\\" in key:
        raise StorageError(f"The object key {key!r} holds a backslash, which some systems read as a folder separator.")
    return _fits(key)


def _name(name: str, what: str) -> str:
    """A user's name as one path segment."""
    _refuse(name_problem(name), what, name)
    if name == EXTRACTS and what == "table":  # keeps a table of this name out of the extracts' folder
        return "%5F" + name[1:]
    return as_segment(name)


def _prefix(prefix: str) -> str:
    clean = prefix.removesuffix("/")
    if clean:
        for part in clean.replace("\\", "/").split("/"):
            _refuse(segment_problem(part), "prefix", prefix, remedy="Correct OSS_PREFIX: folders are written as exports/daily.")
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
