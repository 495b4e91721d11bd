"""What runs when: jobs and schedules named after what they do, ticks that launch the right window."""

import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import Definitions, RunRequest, ScheduleDefinition, SkipReason, build_schedule_context, instance_for_test

from aggregation_pipeline.automation.job_names import cron_words
from aggregation_pipeline.config.cron import to_five_fields
from aggregation_pipeline.definitions import build_definitions
from aggregation_pipeline.project import load_project
from aggregation_pipeline.settings.base import Settings

RICH = """
tables:
  users: {}
  products: {schedule: none}
  orders:
    group: shop/sales
    select_fields: [id]
    formats: [csv, json]
    partition: {column: created_at, every: day, start: 2026-01-01}
  refunds:
    partition: {column: created_at, every: day, start: 2026-01-01}
  clicks:
    partition: {column: at, every: hour, start: 2026-11-01, timezone: UTC, column_timezone: UTC}
    schedule: '0 5 * * * *'
  weekly:
    partition: {column: day, every: week, start: 2026-01-01}
    schedule: ['0 0 6 * * 1', '0 0 18 * * 1']
    timezone: Europe/Berlin
  monthly:
    table: orders
    group: shop/sales
    partition: {column: created_at, every: month, start: 2025-01-01, end_offset: 1}
    schedule: 0 3 2 * *
"""
# What is made of RICH: the partitioned tables, the assets of each group, the tables of each job, the schedules.
RICH_PARTITIONED = ("orders", "refunds", "clicks", "weekly", "monthly")
RICH_GROUPS = {
    "sources": [f"mysql/default/{name}" for name in ("clicks", "orders", "products", "refunds", "users", "weekly")],
    "shop/sales": [
        "aggregation/monthly",
        "aggregation/orders",
        "export/monthly_json",
        "export/monthly_manifest",
        "export/orders_csv",
        "export/orders_json",
        "export/orders_manifest",
    ],
    **{
        name: [f"aggregation/{name}", f"export/{name}_json", f"export/{name}_manifest"]
        for name in ("clicks", "products", "refunds", "users", "weekly")
    },
}
RICH_JOBS = {
    "aggregate": ["users"],
    "aggregate_by_hand": ["products"],
    "aggregate_daily_partitions_at_0200": ["orders", "refunds"],
    "aggregate_hourly_partitions_hourly_at_05": ["clicks"],
    "aggregate_weekly_partitions_mondays_at_0600_and_mondays_at_1800_Europe_Berlin": ["weekly"],
    "aggregate_monthly_partitions_day_2_at_0300": ["monthly"],
}
RICH_SCHEDULES = {
    "aggregate_schedule": ("0 2 * * *", "Asia/Shanghai", "RUNNING"),
    "aggregate_daily_partitions_at_0200_schedule": ("0 2 * * *", "Asia/Shanghai", "RUNNING"),
    "aggregate_hourly_partitions_hourly_at_05_schedule": ("5 * * * *", "Asia/Shanghai", "RUNNING"),
    "aggregate_weekly_partitions_mondays_at_0600_and_mondays_at_1800_Europe_Berlin_schedule": (
        ["0 6 * * 1", "0 18 * * 1"],
        "Europe/Berlin",
        "RUNNING",
    ),
    "aggregate_monthly_partitions_day_2_at_0300_schedule": ("0 3 2 * *", "Asia/Shanghai", "RUNNING"),
}


def definitions(folder: Path, text: str = RICH, **variables: Any) -> Definitions:
    path = folder / "aggregation.yaml"
    path.write_text(text, encoding="utf-8")
    settings = Settings(
        aggregation_config=path, dagster_pg_url="postgresql://nobody@127.0.0.1:1/none", storage_dir=folder, **variables
    )
    return build_definitions(load_project(settings))


def schedule(found: Definitions, name: str) -> ScheduleDefinition:
    definition = found.resolve_schedule_def(name)
    assert isinstance(definition, ScheduleDefinition)
    return definition


def tick(found: Definitions, name: str, at: datetime) -> RunRequest | SkipReason:
    with (
        instance_for_test() as instance,
        build_schedule_context(
            instance=instance, scheduled_execution_time=at, repository_def=found.get_repository_def()
        ) as context,
    ):
        result = schedule(found, name).evaluate_tick(context)
    return result.run_requests[0] if result.run_requests else SkipReason(result.skip_message)


def test_internal_sensors_are_marked_by_name_tag_and_description(tmp_path):
    found = (
        definitions(
            tmp_path, alert_urls="json://127.0.0.1:1/hook", batch_jobs_url="postgresql://nobody@127.0.0.1:1/none"
        ).sensors
        or ()
    )
    others = {sensor.name for sensor in found} - {
        sensor.name for sensor in found if sensor.name.startswith("internal_")
    }
    assert others == {"catch_up", "alerts"}, "those have settings and a place in the docs"
    for sensor in found:
        internal = sensor.name not in others
        assert (sensor.tags.get("internal") == "true") is internal, sensor.name
        assert (sensor.description or "").startswith("Internal, leave it on: ") is internal, sensor.name


def test_the_whole_graph_of_a_rich_config(tmp_path):
    repository = definitions(tmp_path).get_repository_def()
    graph = repository.asset_graph
    partitions = {
        key.to_user_string(): node.partitions_def.get_serializable_unique_identifier()[:8]
        if node.partitions_def
        else None
        for key, node in ((key, graph.get(key)) for key in graph.get_all_asset_keys())
        if not key.path[-1].endswith(("_json", "_csv"))
    }
    assert sorted(key for key, found in partitions.items() if found) == sorted(
        key for name in RICH_PARTITIONED for key in (f"aggregation/{name}", f"export/{name}_manifest")
    )
    assert len({partitions[f"aggregation/{name}"] for name in RICH_PARTITIONED}) == 4
    node = graph.get(next(key for key in graph.get_all_asset_keys() if key.path == ["export", "orders_manifest"]))
    assert sorted(key.to_user_string() for key in node.parent_keys) == [
        "aggregation/orders",
        "export/orders_csv",
        "export/orders_json",
    ]
    groups: dict[str, list[str]] = {}
    for key in sorted(graph.get_all_asset_keys()):
        groups.setdefault(graph.get(key).group_name, []).append(key.to_user_string())
    assert groups == RICH_GROUPS
    tables = {
        job.name: sorted({key.path[1] for key in job.asset_layer.selected_asset_keys if key.path[0] == "aggregation"})
        for job in repository.get_all_jobs()
        if job.name.startswith("aggregate")
    }
    assert tables == RICH_JOBS
    crons = {
        one.name: (one.cron_schedule, one.execution_timezone, one.default_status.value)
        for one in repository.schedule_defs
        if one.name.startswith("aggregate")
    }
    assert crons == RICH_SCHEDULES


@pytest.mark.parametrize(
    ("name", "at", "partition"),
    [
        # Two in the morning in Shanghai is the evening before in UTC: the day that ended there is the 20th.
        ("aggregate_daily_partitions_at_0200_schedule", datetime(2026, 11, 20, 18, tzinfo=UTC), "2026-11-20"),
        (
            "aggregate_hourly_partitions_hourly_at_05_schedule",
            datetime(2026, 11, 20, 18, 5, tzinfo=UTC),
            "2026-11-20-17:00",
        ),
        (
            "aggregate_weekly_partitions_mondays_at_0600_and_mondays_at_1800_Europe_Berlin_schedule",
            datetime(2026, 11, 23, 5, tzinfo=UTC),
            "2026-11-16",
        ),
        ("aggregate_monthly_partitions_day_2_at_0300_schedule", datetime(2026, 11, 1, 19, tzinfo=UTC), "2026-11-01"),
    ],
)
def test_a_tick_launches_the_newest_complete_partition_once(tmp_path, name, at, partition):
    found = definitions(tmp_path)
    request = tick(found, name, at)
    assert isinstance(request, RunRequest)
    assert request.partition_key == partition
    assert request.run_key == f"{partition} {at.isoformat()}"


def test_a_tick_before_the_first_partition_is_over_says_so(tmp_path):
    skipped = tick(
        definitions(tmp_path), "aggregate_daily_partitions_at_0200_schedule", datetime(2026, 1, 1, 6, tzinfo=UTC)
    )
    assert isinstance(skipped, SkipReason)
    assert str(skipped.skip_message).startswith(
        "No partition of aggregate_daily_partitions_at_0200 is complete yet: the first begins 2026-01-01"
    )


def test_a_table_taken_whole_gets_its_moment_and_window_by_tags(tmp_path):
    request = tick(definitions(tmp_path), "aggregate_schedule", datetime(2026, 11, 20, 18, tzinfo=UTC))
    assert isinstance(request, RunRequest)
    assert request.partition_key is None
    assert request.tags["aggregation/window"] == "2026-11-21"


@pytest.mark.parametrize(
    ("seed", "five", "words"),
    [
        ("0 0 2 * * *", "0 2 * * *", "at_0200"),
        ("0 */5 * * * *", "*/5 * * * *", "every_5_minutes"),
        ("0 0 * * * *", "0 * * * *", "hourly_at_00"),
        ("0 * * * * *", "* * * * *", "every_minute"),
        ("0 0 0 * * 0", "0 0 * * 0", "sundays_at_0000"),
        ("0 0 0 1 * *", "0 0 1 * *", "day_1_at_0000"),
        ("0 30 8 * * 1-5", "30 8 * * 1-5", "mondays_to_fridays_at_0830"),
        ("0 0 9,18 * * *", "0 9,18 * * *", "at_0900_1800"),
        ("0 0 0 1 1 *", "0 0 1 1 *", "day_1_of_january_at_0000"),
        ("0 0 0 1 JAN *", "0 0 1 JAN *", "day_1_of_january_at_0000"),
        ("0 30 3 1,15 * *", "30 3 1,15 * *", "days_1_15_at_0330"),
        ("0 30 3 1-7 * 1", "30 3 * * 1#1", "first_mondays_at_0330"),
        ("0 0 6 1-7,15-21 * Saturday", "0 6 * * 6#1,6#3", "first_saturdays_third_saturdays_at_0600"),
        ("0 0 6 * MARCH 7L", "0 6 * MAR L0", "last_sundays_of_march_at_0600"),
        ("0 0 0 L * *", "0 0 L * *", "last_day_at_0000"),
        ("0 0 0 L 3-11/2 *", "0 0 L 3-11/2 *", "last_day_of_march_to_november_by_2_at_0000"),
        ("0 0 4 * 6,7 *", "0 4 * 6,7 *", "in_june_july_at_0400"),
        ("0 0 4 */2 * *", "0 4 */2 * *", "every_2_days_at_0400"),
        ("0 0 0 * * sat,SUN", "0 0 * * sat,SUN", "saturdays_sundays_at_0000"),
        ("0 0 0 * * 5-7", "0 0 * * 5-7", "fridays_to_sundays_at_0000"),
        ("0 0 8-18/2 * * 1-5", "0 8-18/2 * * 1-5", "mondays_to_fridays_every_2_hours_at_00_from_08_to_18"),
        ("0 */15 8-18 * * 1-5", "*/15 8-18 * * 1-5", "mondays_to_fridays_every_15_minutes_of_hours_08_to_18"),
        ("0 5,35 * * * *", "5,35 * * * *", "hourly_at_05_35"),
        ("0 20 */6 * * *", "20 */6 * * *", "every_6_hours_at_20"),
        ("0 0 1,2,3,4,5 * * *", "0 1,2,3,4,5 * * *", "at_00_of_hours_01_02_03_04_05"),
        ("0 10-50/20 3/4 * * *", "10-50/20 3/4 * * *", "minutes_10_to_50_by_20_of_hours_03_on_by_4"),
    ],
)
def test_the_seeds_forms_of_cron_schedule_and_what_jobs_are_called_after_them(seed, five, words):
    assert to_five_fields(seed)[0] == five
    assert cron_words(five) == words


def test_the_seeds_mistake_is_answered_by_a_warning(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        definitions(tmp_path, cron_schedule="0 * * * * *")
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "CRON_SCHEDULE: '0 * * * * *' runs as '* * * * *'" in warning.getMessage()
    assert "that is every minute, not every hour; every hour is '0 0 * * * *'" in warning.getMessage()


def test_the_same_times_over_different_starts_are_jobs_of_different_names(tmp_path):
    text = RICH.replace(
        "refunds:\n    partition: {column: created_at, every: day, start: 2026-01-01}",
        "refunds:\n    partition: {column: created_at, every: day, start: 2026-06-01}",
    )
    names = [job.name for job in definitions(tmp_path, text).get_repository_def().get_all_jobs() if "daily" in job.name]
    assert names == ["aggregate_daily_partitions_at_0200", "aggregate_daily_partitions_at_0200_from_2026_06_01"]
    # The first keeps its name, and with it its history, when another is written below it.
    assert names[0] in [job.name for job in definitions(tmp_path).get_repository_def().get_all_jobs()]
    ends = (
        text.replace("06-01}", "06-01, end_offset: 1}")
        + "  again:\n    partition: {column: c, every: day, start: 2026-06-01}\n"
    )
    names = [job.name for job in definitions(tmp_path, ends).get_repository_def().get_all_jobs() if "daily" in job.name]
    assert len(set(names)) == 3


def test_many_crons_make_no_endless_name(tmp_path):
    crons = [f"{minute} {hour} * * 1" for minute in range(6) for hour in (3, 9)]
    text = f"tables: {{a: {{schedule: {crons}}}, b: {{schedule: {crons[:-1]}}}}}"
    names = [
        job.name
        for job in definitions(tmp_path, text).get_repository_def().get_all_jobs()
        if job.name.startswith("aggregate")
    ]
    assert len(set(names)) == 2
    assert all(
        len(name) < 120 and name.startswith("aggregate_mondays_at_0300_and_mondays_at_0900_and_mondays_at_0301")
        for name in names
    )


def test_a_table_may_be_called_as_a_job_is(tmp_path):
    repository = definitions(tmp_path, "tables: {by_hand: {schedule: none}, schedule: {}}").get_repository_def()
    names = {job.name for job in repository.get_all_jobs() if job.name.startswith("aggregate")}
    assert names - {"aggregate"} == {name for name in names if re.fullmatch("aggregate_by_hand_[0-9a-f]{6}", name)}
    assert len(names) == 2
