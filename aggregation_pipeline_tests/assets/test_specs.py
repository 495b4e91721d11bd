"""What stands beside an asset tells its files, windows, times and masks, and whose it is."""

import textwrap
from pathlib import Path

from dagster import AssetKey, AssetSpec

from aggregation_pipeline.assets.specs import table_specs
from aggregation_pipeline.project import load_project
from aggregation_pipeline.settings.base import Settings

CONFIG = """
    tables:
      orders:
        description: The orders of each day.
        select_fields: [id, email, status]
        group_by: [status]
        where: status = 'paid'
        partition: {column: created_at, every: day, start: 2026-11-20}
        schedule: ['0 30 3 * * *', '0 30 15 * * *']
        mask: {email: partial, status: keep}
        owners: [team:sales]
        tags: {domain: shop}
        options: {file_names: '{table}_{date}.{dataset}'}
      a/b: {schedule: none, formats: [json]}
"""


def specs(folder: Path) -> dict[AssetKey, AssetSpec]:
    path = folder / "aggregation.yaml"
    path.write_text(textwrap.dedent(CONFIG), encoding="utf-8")
    settings = Settings(
        aggregation_config=path,
        dagster_pg_url="postgresql://nobody@127.0.0.1:1/none",
        output_format="csv,json",
        timezone="UTC",
    )
    return {spec.key: spec for table in load_project(settings).tables for spec in table_specs(table)}


def test_every_asset_of_a_table_says_where_when_and_what_is_hidden(tmp_path: Path):
    found = specs(tmp_path)
    csv = found[AssetKey(["export", "orders_csv"])]
    assert (csv.description or "").splitlines() == [
        "The summary and detail of orders as csv.",
        "",
        "- **Files:** `orders/<window>/orders_<window>.summary.csv` and `orders/<window>/orders_<window>.detail.csv`",
        "- **Windows:** daily, by `created_at` in UTC, from 2026-11-20 on",
        "- **Only rows where:** `status = 'paid'`",
        "- **Runs:** at `30 3 * * *`, `30 15 * * *` in UTC",
        "- **Masked:** `email` (partial)",
    ]
    assert (found[AssetKey(["aggregation", "orders"])].description or "").startswith(
        "The orders of each day.\n\n- **Windows:** daily"
    )
    assert "`orders/<window>/manifest.json`" in (found[AssetKey(["export", "orders_manifest"])].description or "")


def test_a_table_taken_whole_and_started_by_hand_says_that(tmp_path: Path):
    lines = next(
        spec.description or ""
        for spec in specs(tmp_path).values()
        if spec.key.path[1].endswith("_json") and "a_b" in spec.key.path[1]
    )
    assert lines.splitlines()[2:] == [
        "- **Files:** `a%2Fb/<window>/a%2Fb.json`",
        "- **Windows:** the whole table, each time that it runs",
        "- **Runs:** when somebody starts it",
    ]


def test_owners_tags_and_group_are_those_of_the_entry_on_all_its_assets(tmp_path: Path):
    ours = [spec for spec in specs(tmp_path).values() if "orders" in spec.key.path[1]]
    assert len(ours) == 4
    for spec in ours:
        assert list(spec.owners) == ["team:sales"]
        assert spec.tags["domain"] == "shop"
        assert spec.group_name == "orders"
        assert spec.metadata["aggregation/table"] == "orders"
