"""Windows to apply retention to, and retention in one line."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aggregation_pipeline.storage.expiry import RetentionRule
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline.storage.publish import publish_window
from aggregation_pipeline.storage.retention import RetentionResult, apply_retention
from aggregation_pipeline_tests.storage.samples import render_csv, render_json, sample_extract

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAYS = ("2026-08-01", "2026-11-18", "2026-11-19", "2026-11-20")
OLD, WINDOW = DAYS[0], DAYS[-1]
ORDERS = RetentionRule("orders", keep=timedelta(days=90))
SOON = timedelta(hours=1)
LATER = timedelta(days=2)


def put(
    store: Any,
    tmp_path: Path,
    window: str = WINDOW,
    *,
    run: str = "run",
    value: int = 7,
    formats: str = "json",
    **how: Any,
) -> Any:
    extract = sample_extract(tmp_path / "extract", window=window, value=value)
    if masks := how.pop("masks", None):
        datasets = tuple(_masked(dataset, masks) for dataset in extract.datasets)
        extract = type(extract)(extract.table, extract.window, datasets, extract.consistency)
    files = [render_json(extract, tmp_path)] if "json" in formats else []
    files += render_csv(extract, tmp_path) if "csv" in formats else []
    return publish_window(store, "daily", extract, files, run_id=run, **how).manifest


def _masked(dataset: Any, masks: dict[str, str]) -> Any:
    return type(dataset)(**{**{name: getattr(dataset, name) for name in dataset.__dataclass_fields__}, "masks": masks})


def swept(store: Any, *rules: RetentionRule, dry_run: bool = False, **how: Any) -> RetentionResult:
    given = {
        "now": NOW,
        "keep_extracts": timedelta(days=7),
        "lock": lambda _table, _window: nullcontext(NoLock()),
        "is_active": lambda _run: False,
        "report": print,
    }
    return apply_retention(store, "daily", rules, dry_run=dry_run, **{**given, **how})


def in_time(after: timedelta) -> datetime:
    return datetime.now(UTC) + after


def keys(store: Any, prefix: str = "") -> list[str]:
    return [stored.key for stored in store.list(prefix)]
