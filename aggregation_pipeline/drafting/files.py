"""Writes a draft: `aggregation.yaml` and `.env`, each whole or not at all."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aggregation_pipeline.config.loading import load_usable_config
from aggregation_pipeline.drafting.draft import Draft, How
from aggregation_pipeline.drafting.env import new_salt, other_address, read_env, with_variables
from aggregation_pipeline.drafting.written import Existing, read_existing, remember, with_entries
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.settings.source_variables import read_source_variables
from aggregation_pipeline.source.options import SourceOptions
from aggregation_pipeline.tempfiles.whole_file import refuse_special, write_whole

_READABLE: Final = 0o644
_PRIVATE: Final = 0o600


@dataclass
class Written:
    """Which files were changed, and what somebody should know of them."""

    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def write_files(
    path: Path,
    env_path: Path,
    existing: Existing,
    drafts: Iterable[Draft],
    left_out: Mapping[str, Iterable[str]],
    how: How,
    variables: Mapping[str, str],
    elsewhere: Iterable[str] = (),
) -> Written:
    """Write the drafts into `path`, and the variables into `env_path`; what is there already stays.

    Args:
        path, env_path: aggregation.yaml and .env.
        existing: what `path` held when the tables were chosen.
        drafts: the new entries.
        left_out: tables that were not drafted, by the reason.
        how: whose words the comments are in.
        variables: what .env has to hold.
        elsewhere: variables that the environment has already.

    Raises:
        ConfigError, SettingsError: a file cannot be read or extended, or was changed meanwhile.
    """
    written, source = Written(), how.options.name
    drafts = list(drafts)
    seen = {**left_out, "taken": [draft.table.name for draft in drafts]}
    content = with_entries(
        path,
        existing,
        {draft.name: draft.entry for draft in drafts},
        how.words.say("head", database=how.options.database).split("\n"),
        remember(how.words, seen, existing),
    )
    env_text, there = read_env(env_path)
    known = {*there, *elsewhere}
    values = dict(variables)
    if _hashes(path, content, how.options) and "MASK_SALT" not in known:
        values["MASK_SALT"] = new_salt()
    env = with_variables(env_text, there, values, needs_postgres="DAGSTER_PG_URL" not in known, source=source)
    if read_existing(path, how.options.database, source).content != existing.content:
        raise SettingsError(
            f"{path} was changed while its tables were looked at, so nothing was written. Run init again"
        )
    _require_files(path, env_path)
    if content != existing.content:
        _write(path, content, _READABLE, written)
    if env != env_text:
        _write(env_path, env.encode(), _PRIVATE, written)
    if other := other_address(there, values, source):
        written.notes.append(
            f"{env_path} names another database ({', '.join(other)}) than the one that was read. It was left so"
        )
    config = there.get("AGGREGATION_CONFIG")
    if config and (env_path.parent / config).resolve() != path.resolve():
        written.notes.append(
            f"{env_path} says AGGREGATION_CONFIG={config}, so {path} has no effect until that is changed"
        )
    return written


def _require_files(*paths: Path) -> None:
    """Refuse a device or a pipe before the first file is written: one without the other would not do."""
    for path in paths:
        with _reported(path):
            refuse_special(path)


def _hashes(path: Path, content: bytes, options: SourceOptions) -> bool:
    settings = Settings().with_source_variables(read_source_variables(Settings.model_fields))
    sources = {*settings.source_variables, *([options.name] if options.name else [])}
    config, _ = load_usable_config(path, content, sources, settings.kinds_by_variables | {options.name: options.kind})
    return any("hash" in entry.mask.values() for entry in config.tables)


def _write(path: Path, content: bytes, mode: int, written: Written) -> None:
    with _reported(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content, new_mode=mode)
    written.files.append(path)


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be written: {error.strerror}. Let init write elsewhere: --output DIR"
        ) from None
