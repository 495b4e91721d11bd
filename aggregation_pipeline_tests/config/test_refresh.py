"""What `refresh` may say, and what is answered to the rest."""

from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import load_text

FILE = """
tables:
  orders:
    select_fields: [id]
    partition: {{column: created_at, every: {every}, start: 2026-01-01}}
    {keys}
  users:
    select_fields: [email]
    mask: {{email: hash}}
    table: orders
"""


def load(tmp_path: Path, keys: str, every: str = "day") -> Any:
    return load_text(tmp_path, FILE.format(keys=keys, every=every)).tables[0]


def refresh(key: str, more: str = "") -> str:
    return f"refresh: {{look_back: 14d, key: {key}{more}}}"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (refresh("updated_at"), r"refresh\.key: it aggregates nothing"),
        (refresh("'MAX(updated_at) OVER ()'"), r"refresh\.key: .*OVER"),
        (refresh("'MAX(a), MAX(b)'"), r"refresh\.key: .*one expression is expected"),
        (refresh("[]"), r"refresh\.key: the list is empty, and at least one item is expected"),
        (refresh('"MAX(TIMESTAMPDIFF(DAY, a, NOW()))"'), r"depends on when it is asked \(NOW\).*Leave NOW out"),
        (refresh("SUM(a > UNIX_TIMESTAMP())"), r"\(UNIX_TIMESTAMP\(\)\)"),
        (
            f"{refresh('COUNT(*)')}\n    where: a > CURRENT_DATE",
            r"refresh: where depends on when it is asked \(CURRENT_DATE\).*compare created_at with constants",
        ),
        ("refresh: {look_back: 3y, key: COUNT(*)}", r"refresh\.look_back: a length of time"),
        ("refresh: {look_back: 1001d, key: COUNT(*)}", r"up to 1,002 windows, and 1,000 is the limit"),
        ("refresh: {key: COUNT(*)}", r"refresh\.lookBack: the key is missing"),
        # Another entry masks the column.
        (refresh("MAX(email)"), r"refresh\.key.*the key MAX\(email\) shows email, which the entry users masks"),
        (refresh('"MAX((SELECT email FROM orders o LIMIT 1))"'), r"refresh\.key"),
    ],
)
def test_what_cannot_be_a_key_is_answered_with_its_remedy(tmp_path: Path, keys: str, words: str):
    with pytest.raises(ConfigError, match=words):
        load(tmp_path, keys)


def test_a_key_needs_windows(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"tables\.t\.refresh: the entry has no partition, so there are no windows"):
        load_text(tmp_path, "tables: {t: {refresh: {look_back: 14d, key: COUNT(*)}}}")


def test_what_a_key_means_is_told_from_what_other_keys_mean(tmp_path: Path):
    entries = [
        load(tmp_path, refresh("COUNT(*)")),
        load(tmp_path, refresh("[COUNT(*), MAX(a)]")),
        load(tmp_path, f"{refresh('COUNT(*)')}\n    where: a > 1"),
        load(tmp_path, f"{refresh('COUNT(*)')}\n    table: others"),
        load(tmp_path, refresh("COUNT(email)")),
    ]
    meanings = {entry.refresh_fingerprint(zone) for entry in entries for zone in ("UTC", "Asia/Shanghai")}
    assert len(meanings) == 2 * len(entries)
    same = load(tmp_path, refresh("COUNT(*)", ", every: 5m, allow_scan: true"))
    assert same.refresh_fingerprint("UTC") == entries[0].refresh_fingerprint("UTC")
