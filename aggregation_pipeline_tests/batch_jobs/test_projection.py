"""The row of a run is a pure function of its record and its events."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.batch_jobs.deleted_runs import close_deleted_run
from aggregation_pipeline.batch_jobs.projection import ERRORS_IN_A_ROW, FILES_IN_A_ROW, INTEGER_MAX, project, row_id
from aggregation_pipeline.runs.model import BatchJobRow, Event, Failed, Finished, Owner, Planned, RunInfo, Started
from aggregation_pipeline_tests.support.paths import REPOSITORY

RUN_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)
PLATFORMS = {"baidu": "baidu", "weibo": "weibo", "zhihu": "zhihu"}


def run_info(status: str = "STARTED", **changes: Any) -> RunInfo:
    ended = status in {"SUCCESS", "FAILURE", "CANCELED"}
    times = {"started_at": NOON + timedelta(seconds=2), "completed_at": NOON + timedelta(seconds=12) if ended else None}
    return RunInfo(
        **{
            "run_id": RUN_ID,
            "job": "aggregate",
            "status": status,
            "created_at": NOON,
            "updated_at": NOON,
            **times,
            **changes,
        }
    )


def row(run: RunInfo, *events: Event, **options: Any) -> BatchJobRow:
    return project(
        run, events, **{"owner": Owner("prod", "one"), "job_type": "data_collection", "platforms": PLATFORMS, **options}
    )


def done(number: int, segment: str, items: int, partition: str | None = None, **more: Any) -> Finished:
    return Finished(number, segment, partition, items, table=segment, **more)


def failed(number: int, segment: str | None, error: str, step: str | None = "aggregate_x") -> Failed:
    return Failed(number, NOON, step, segment, error)


def planned(*segments: str) -> list[Event]:
    return [Planned(number, segment) for number, segment in enumerate(segments, 1)]


@pytest.mark.parametrize(
    ("dagster", "expected"),
    [
        ("NOT_STARTED", "pending"),
        ("QUEUED", "pending"),
        ("STARTING", "pending"),
        ("STARTED", "in_progress"),
        ("CANCELING", "in_progress"),
        ("SUCCESS", "completed"),
        ("FAILURE", "failed"),
        ("CANCELED", "failed"),
    ],
)
def test_a_runs_status_becomes_one_of_the_four_words_and_the_metadata_keeps_dagsters(dagster: str, expected: str):
    made = row(run_info(dagster), *planned("baidu"))
    assert (made.status, made.metadata["dagster"]["status"]) == (expected, dagster)


def test_a_queued_run_shows_what_is_planned_and_has_not_started():
    made = row(run_info("QUEUED", started_at=None), *planned("weibo", "baidu"))
    assert (str(made.id), made.job_type, made.started_at, made.completed_at, made.created_at) == (
        RUN_ID,
        "data_collection",
        None,
        None,
        NOON,
    )
    assert (made.platforms_processed, made.total_items) == ((), 0)
    assert made.metadata["planned"] == ["baidu", "weibo"], "in the order of the configuration"
    assert {name: result["status"] for name, result in made.metadata["results"].items()} == {
        "baidu": "pending",
        "weibo": "pending",
    }


def test_a_table_that_failed_goes_by_its_own_name_and_not_by_that_of_its_key():
    events = [*planned("t_821581e9"), failed(5, "t_821581e9", "no such table")]
    made = row(run_info("FAILURE"), *events, platforms={"t_821581e9": "shop"}, names={"t_821581e9": "订单"})
    assert made.metadata["results"]["shop"]["tables"] == ["订单"]
    assert made.metadata["errors"][0]["table"] == "订单"


def test_a_running_job_shows_its_progress():
    made = row(
        run_info(),
        *planned("baidu", "weibo", "zhihu"),
        Started(10, "weibo"),
        done(11, "weibo", 30),
        Started(12, "baidu"),
    )
    assert (made.status, made.platforms_processed, made.total_items) == ("in_progress", ("weibo",), 30)
    statuses = {name: result["status"] for name, result in made.metadata["results"].items()}
    assert statuses == {"baidu": "in_progress", "weibo": "completed", "zhihu": "pending"}


def test_platforms_are_listed_in_the_order_in_which_they_were_done():
    made = row(
        run_info("SUCCESS"),
        *planned("baidu", "weibo", "zhihu"),
        done(20, "zhihu", 1),
        done(21, "baidu", 2),
        done(22, "weibo", 3),
    )
    assert made.platforms_processed == ("zhihu", "baidu", "weibo")
    assert [made.metadata[f"{name}_items"] for name in PLATFORMS] == [2, 3, 1]


def test_a_platform_is_done_with_its_last_window():
    events = [done(10, "baidu", 1, "a"), done(20, "weibo", 2), done(30, "baidu", 3, "b")]
    assert row(
        run_info("SUCCESS"), Planned(1, "baidu", ("a", "b")), Planned(2, "weibo"), *events
    ).platforms_processed == (
        "weibo",
        "baidu",
    )


def test_platforms_are_planned_in_the_order_of_the_configuration_and_what_left_it_comes_last():
    made = row(
        run_info(),
        *planned("a", "zhihu", "baidu", "weibo"),
        platforms={name: name for name in ("zhihu", "weibo", "baidu")},
    )
    assert made.metadata["planned"] == ["zhihu", "weibo", "baidu", "a"]


def test_a_table_goes_by_the_name_under_which_its_last_window_was_published():
    older, newer = Finished(10, "baidu", "a", 1, table="old"), Finished(11, "baidu", "b", 1, table="new")
    assert row(run_info(), older, newer).metadata["results"]["baidu"]["tables"] == ["new"]


def test_a_window_that_was_logged_twice_counts_once_and_the_latest_wins():
    made = row(run_info("SUCCESS"), *planned("baidu"), done(10, "baidu", 5), done(11, "baidu", 7))
    assert (made.total_items, made.metadata["baidu_items"], made.metadata["results"]["baidu"]["partitions"]) == (
        7,
        7,
        1,
    )


def test_a_table_is_done_when_every_planned_partition_is():
    plan = [Planned(1, "baidu", ("2026-11-18",)), Planned(2, "baidu", ("2026-11-19",))]
    half = row(run_info(), *plan, done(10, "baidu", 5, "2026-11-18"))
    assert (half.platforms_processed, half.total_items, half.metadata["results"]["baidu"]["status"]) == (
        (),
        5,
        "in_progress",
    )
    whole = row(run_info(), *plan, done(10, "baidu", 5, "2026-11-18"), done(11, "baidu", 6, "2026-11-19"))
    assert (whole.platforms_processed, whole.total_items, whole.metadata["results"]["baidu"]["partitions"]) == (
        ("baidu",),
        11,
        2,
    )


def test_a_failed_table_keeps_its_good_partitions_and_tells_why():
    plan = [Planned(1, "baidu", ("1", "2")), Planned(2, "weibo")]
    made = row(
        run_info("FAILURE"),
        *plan,
        done(10, "baidu", 5, "1"),
        failed(11, "baidu", "Unknown column 'x'"),
        done(12, "weibo", 3),
    )
    assert (made.status, made.platforms_processed, made.total_items) == ("failed", ("weibo",), 8)
    result = made.metadata["results"]["baidu"]
    assert (result["status"], result["items"], result["error"]) == ("failed", 5, "Unknown column 'x'")
    assert made.metadata["errors"] == [
        {
            "platform": "baidu",
            "table": "baidu",
            "step": "aggregate_x",
            "error": "Unknown column 'x'",
            "at": NOON.isoformat(),
        }
    ]
    assert made.metadata["summary"] == {
        "platforms": 2, "completed": 1, "failed": 1, "success_rate": 0.5, "rows": 8, "bytes": 0, "files": 0,
    }  # fmt: skip


def test_the_summary_counts_what_failed_and_the_error_of_a_platform_has_a_line_for_each_of_its_tables():
    events = [failed(10, "orders", "why"), failed(11, "users", "why else"), done(12, "weibo", 1), done(13, "zhihu", 1)]
    platforms = {"orders": "shop", "users": "shop", "weibo": "weibo", "zhihu": "zhihu"}
    metadata = row(run_info("FAILURE"), *planned(*platforms), *events, platforms=platforms).metadata
    assert metadata["results"]["shop"]["error"] == "why\nwhy else"
    summary = metadata["summary"]
    assert (summary["platforms"], summary["completed"], summary["failed"], summary["success_rate"]) == (3, 2, 1, 0.6667)


def test_a_table_that_was_cut_off_is_failed_and_one_that_never_began_is_skipped():
    killed = row(
        run_info("FAILURE"),
        *planned("baidu", "weibo"),
        Started(10, "baidu"),
        failed(11, None, "The run worker died", step=None),
    )
    assert [killed.metadata["results"][name]["status"] for name in ("baidu", "weibo")] == ["failed", "skipped"]
    assert "in the middle of this table" in killed.metadata["results"]["baidu"]["error"]
    assert killed.metadata["errors"] == [{"error": "The run worker died", "at": NOON.isoformat()}]
    cancelled = row(run_info("CANCELED"), *planned("baidu"), Started(10, "baidu"))
    assert cancelled.metadata["results"]["baidu"]["error"] == "The run was cancelled"


def test_a_run_that_succeeded_has_failed_no_table_that_published_nothing():
    made = row(run_info("SUCCESS"), *planned("baidu", "weibo", "zhihu"), Started(10, "baidu"), done(11, "zhihu", 1))
    assert [made.metadata["results"][name]["status"] for name in PLATFORMS] == ["skipped", "skipped", "completed"]


def test_a_table_whose_plan_was_not_read_is_not_done_before_it_published_something():
    assert row(run_info(), Started(10, "weibo")).metadata["results"]["weibo"]["status"] == "in_progress"


def test_a_table_without_a_name_of_its_own_is_called_by_its_key_in_errors():
    assert (
        row(run_info("FAILURE"), *planned("baidu"), failed(10, "baidu", "why")).metadata["errors"][0]["table"]
        == "baidu"
    )


@pytest.mark.parametrize(
    ("status", "events", "expected"),
    [
        ("FAILURE", [done(10, "orders", 1), failed(11, "users", "why")], "failed"),
        ("STARTED", [done(10, "orders", 1), failed(11, "users", "why"), Started(12, "visits")], "failed"),
        ("FAILURE", [failed(11, "users", "why"), done(12, "orders", 1)], "failed"),
        ("CANCELED", [done(10, "orders", 1)], "skipped"),
        ("STARTED", [Started(10, "orders")], "in_progress"),
        ("STARTED", [done(10, "orders", 1)], "in_progress"),
    ],
)
def test_a_platform_is_as_well_as_the_worst_of_its_tables(status: str, events: list[Event], expected: str):
    made = row(
        run_info(status),
        *planned("orders", "users", "visits"),
        *events,
        platforms=dict.fromkeys(("orders", "users", "visits"), "shop"),
    )
    assert made.metadata["results"]["shop"]["status"] == expected


def test_that_steps_failed_is_not_repeated_where_the_steps_say_why():
    made = row(
        run_info("FAILURE"),
        *planned("baidu"),
        failed(10, "baidu", "why"),
        failed(11, None, "Steps failed: ['aggregate_x']", step=None),
    )
    assert [error["error"] for error in made.metadata["errors"]] == ["why"]


def test_two_tables_of_one_platform_are_added_up():
    options = {"platforms": {"orders": "shop", "users": "shop", "news": "baidu"}}
    half = row(run_info(), *planned("orders", "users"), done(10, "orders", 4, seconds=0.5, bytes=7), **options)
    assert (half.platforms_processed, half.metadata["shop_items"], half.metadata["results"]["shop"]["status"]) == (
        (),
        4,
        "in_progress",
    )
    whole = row(
        run_info(),
        *planned("orders", "users"),
        done(10, "orders", 4, seconds=0.5, bytes=7),
        done(11, "users", 6),
        **options,
    )
    result = whole.metadata["results"]["shop"]
    assert (whole.platforms_processed, result["items"], result["tables"], result["bytes"], result["seconds"]) == (
        ("shop",), 10, ["orders", "users"], 7, 0.5,
    )  # fmt: skip


def test_a_table_that_left_the_configuration_goes_by_what_its_files_were_published_as():
    assert row(run_info(), *planned("gone"), done(10, "gone", 1, platform="百度")).platforms_processed == ("百度",)
    older = [done(10, "gone", 1, "a", platform="百度"), done(11, "gone", 1, "b")]
    assert row(run_info(), Planned(1, "gone", ("a", "b")), *older).platforms_processed == ("百度",), (
        "not all windows say it"
    )
    assert row(run_info(), *planned("gone")).metadata["planned"] == ["gone"]


def test_totals_end_at_the_columns_limit_and_the_summary_stays_exact():
    made = row(run_info("SUCCESS"), *planned("baidu", "weibo"), done(10, "baidu", INTEGER_MAX), done(11, "weibo", 5))
    assert (made.total_items, made.metadata["summary"]["rows"]) == (2**31 - 1, INTEGER_MAX + 5)


def test_times_are_measured_from_the_runs_record():
    made = row(run_info("SUCCESS"), *planned("baidu"), done(10, "baidu", 1, seconds=1.25))
    assert made.metadata["timing"] == {"wait_seconds": 2.0, "run_seconds": 10.0, "table_seconds": 1.25}
    # Two clocks may stamp the two ends of a short run.
    ended = {
        "started_at": NOON - timedelta(seconds=1),
        "completed_at": NOON - timedelta(seconds=1) + timedelta(microseconds=500_700),
    }
    metadata = row(run_info("SUCCESS", **ended), *planned("baidu"), done(10, "baidu", 1, seconds=0.00049)).metadata
    assert metadata["timing"] == {"wait_seconds": 0.0, "run_seconds": 0.501, "table_seconds": 0.0}
    assert metadata["results"]["baidu"]["seconds"] == 0.0
    never_started = row(run_info("CANCELED", started_at=None), *planned("baidu")).metadata["timing"]
    assert never_started == {"wait_seconds": None, "run_seconds": None, "table_seconds": 0.0}


def test_the_metadata_says_where_a_run_came_from():
    tags = {
        "dagster/partition": "2026-11-19",
        "dagster/schedule_name": "aggregate_schedule",
        "aggregation/logical_time": "t",
        "mine": "x",
    }
    dagster = row(run_info(tags=tags), *planned("baidu")).metadata["dagster"]
    assert dagster == {
        "deployment": "prod",
        "instance": "one",
        "run_id": RUN_ID,
        "job": "aggregate",
        "status": "STARTED",
        "partition": "2026-11-19",
        "schedule": "aggregate_schedule",
        "logical_time": "t",
        "updated": NOON.isoformat(),
        "last_event": 1,
        "version": [1, 1, 1],
    }
    every = {
        "partition": "dagster/partition",
        "partition_range_start": "dagster/asset_partition_range_start",
        "partition_range_end": "dagster/asset_partition_range_end",
        "backfill": "dagster/backfill",
        "schedule": "dagster/schedule_name",
        "sensor": "dagster/sensor_name",
        "parent_run_id": "dagster/parent_run_id",
        "root_run_id": "dagster/root_run_id",
        "logical_time": "aggregation/logical_time",
    }
    dagster = row(run_info(tags={tag: f"the {key}" for key, tag in every.items()}), *planned("baidu")).metadata[
        "dagster"
    ]
    assert {key: dagster[key] for key in every} == {key: f"the {key}" for key in every}


def test_a_later_state_of_a_run_has_a_greater_version_and_both_ends_the_same():
    ranks = [
        row(run_info(status)).metadata["dagster"]["version"][0]
        for status in ("QUEUED", "STARTED", "SUCCESS", "FAILURE", "CANCELED")
    ]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 3
    assert len(set(ranks[2:])) == 1
    dagster = row(run_info()).metadata["dagster"]
    assert (dagster["last_event"], dagster["version"]) == (0, [1, 0, 0]), "before its first event"


def test_secrets_in_error_texts_are_masked_and_the_text_is_cut():
    text = (
        "Access denied for mysql://ada:hunter2@db/shop, AccessKeySecret=LTAI5t password: 'p w', token s3cr3t-value\n"
        + "line\n" * 50
    )
    error = row(
        run_info("FAILURE"), *planned("baidu"), failed(10, "baidu", text), secrets=["s3cr3t-value", ""]
    ).metadata["errors"][0]["error"]
    assert error.startswith("Access denied for mysql://ada:***@db/shop, AccessKeySecret=*** password: ")
    assert not any(secret in error for secret in ("hunter2", "LTAI5t", "s3cr3t-value"))
    assert error.count("\n") == 9
    assert (
        len(
            row(run_info("FAILURE"), *planned("baidu"), failed(10, "baidu", "x" * 10_000)).metadata["errors"][0][
                "error"
            ]
        )
        == 2_000
    )


def test_a_row_stays_small_however_much_a_run_makes():
    partitions = tuple(f"p{number}" for number in range(1_000))
    files = tuple({"table": "baidu", "format": "csv", "uri": f"file:///{number}"} for number in range(6))
    events = [done(10 + number, "baidu", 1, partition, files=files) for number, partition in enumerate(partitions)]
    noise = [failed(5_000 + number, None, "e" * 5_000, step=f"s{number}") for number in range(200)]
    made = row(run_info("FAILURE"), Planned(1, "baidu", partitions), *events, *noise)
    result = made.metadata["results"]["baidu"]
    assert (len(result["files"]), result["files_left_out"], made.metadata["summary"]["files"]) == (
        FILES_IN_A_ROW,
        5_500,
        6_000,
    )
    assert len(made.metadata["errors"]) == ERRORS_IN_A_ROW
    all_of_them = row(run_info("SUCCESS"), done(1, "baidu", 1, files=files[:1] * FILES_IN_A_ROW)).metadata["results"][
        "baidu"
    ]
    assert (len(all_of_them["files"]), "files_left_out" in all_of_them) == (FILES_IN_A_ROW, False)
    assert len(json.dumps(made.metadata)) < 200_000


def test_each_platform_shows_a_file_however_many_there_are():
    names = [f"p{number}" for number in range(FILES_IN_A_ROW + 1)]
    files = tuple({"format": name} for name in ("csv", "json"))
    made = row(
        run_info("SUCCESS"), *(done(number, name, 1, files=files) for number, name in enumerate(names, 1)), platforms={}
    )
    assert {name: result["files"] for name, result in made.metadata["results"].items()} == {
        name: [{"format": "json"}] for name in names
    }


def test_a_run_id_that_is_no_uuid_gets_one_that_is_always_the_same():
    assert str(row_id(RUN_ID)) == RUN_ID
    assert row_id("nightly-7") == row_id("nightly-7") != row_id("nightly-8")


EVENTS = [
    *planned("baidu", "weibo", "zhihu"),
    Started(10, "weibo"),
    done(11, "weibo", 30),
    done(12, "weibo", 31),
    failed(13, "baidu", "x"),
    Event(99),
]


@given(shuffled=st.permutations(EVENTS * 2))
def test_the_order_of_reading_and_reading_twice_change_nothing(shuffled: list[Event]):
    assert row(run_info("FAILURE"), *shuffled) == row(run_info("FAILURE"), *EVENTS)


def test_the_metadata_is_what_the_schema_in_docs_says():
    schema = json.loads((REPOSITORY / "docs" / "batch_jobs_metadata.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    file = {
        "table": "baidu",
        "format": "csv",
        "dataset": "detail",
        "uri": "oss://b/k",
        "rows": 1,
        "bytes": 2,
        "crc64": None,
    }
    plan = planned("baidu", "weibo", "zhihu")
    tags = {
        "dagster/partition": "2026-11-19",
        "dagster/schedule_name": "aggregate_schedule",
        "dagster/root_run_id": RUN_ID,
    }
    many = done(11, "baidu", 5, files=(file,) * (FILES_IN_A_ROW + 1), bytes=7, seconds=1.5)
    made = [
        row(run_info("QUEUED", started_at=None)),
        row(run_info(), *plan, Started(10, "weibo"), many),
        row(
            run_info("FAILURE", tags=tags),
            *plan,
            many,
            failed(12, "weibo", "why " * 9_000),
            failed(13, None, "died", step=None),
        ),
        row(run_info("SUCCESS"), *plan, *(done(20 + number, name, 1) for number, name in enumerate(PLATFORMS))),
    ]
    for each in [*made, *(close_deleted_run(one, NOON) for one in made)]:
        validator.validate(json.loads(json.dumps(each.metadata)))
    validator.validate({"dagster": made[0].metadata["dagster"], "mirror_error": "refused"})
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**made[0].metadata, "something": 1})
