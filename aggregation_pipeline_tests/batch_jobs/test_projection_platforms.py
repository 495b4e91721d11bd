"""What a row says of each table and platform: planned, in progress, completed, failed or skipped."""

import pytest

from aggregation_pipeline.batch_jobs.deleted_runs import close_deleted_run
from aggregation_pipeline.runs.model import Event, Finished, Planned, Started
from aggregation_pipeline_tests.batch_jobs.projected import NOON, PLATFORMS, done, failed, planned, row, run_info


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


def test_each_table_of_a_platform_has_its_own_figures():
    platforms = {"orders": "shop", "refunds": "shop"}
    made = row(
        run_info("FAILURE"),
        *planned(*platforms),
        done(10, "orders", 30, "a", seconds=1.5, stage_seconds={"read": 0.5, "render": 0.25}, bytes=7, files=({}, {})),
        done(11, "orders", 12, "b", seconds=2.5, stage_seconds={"read": 1.0, "publish": 1.25}, bytes=8, files=({},)),
        # Published again: the last event says what stands in the files.
        done(12, "orders", 13, "b", seconds=2.5, stage_seconds={"read": 1.0, "publish": 1.25}, bytes=8, files=({},)),
        Started(13, "refunds"),
        platforms=platforms,
    )
    found = made.metadata["results"]["shop"]["by_table"]
    assert found["orders"] == {
        "status": "skipped",
        "items": 43,
        "partitions": 2,
        "planned_partitions": 1,
        "seconds": 4.0,
        "stages": {"read": 1.5, "render": 0.25, "publish": 1.25},
        "bytes": 15,
        "files": 3,
    }
    assert (found["refunds"]["status"], found["refunds"]["partitions"]) == ("failed", 0)
    assert set(found["refunds"]["stages"].values()) == {0.0}


def test_the_tables_of_a_deleted_run_have_ended():
    made = close_deleted_run(row(run_info(), *planned("baidu", "weibo"), Started(10, "weibo")), NOON)
    statuses = {name: result["by_table"][name]["status"] for name, result in made.metadata["results"].items()}
    assert statuses == {"baidu": "skipped", "weibo": "failed"}
