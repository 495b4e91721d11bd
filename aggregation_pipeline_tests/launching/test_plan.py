"""Which runs a request comes to: those that `run`, `run --at` and `backfill` would make."""

from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from aggregation_pipeline.errors import ConfigError, LaunchError
from aggregation_pipeline.launching.plan import LaunchRequest, Plan, plan
from aggregation_pipeline.project import Project, load_usable_project
from aggregation_pipeline.runs.tags import WINDOW_TAG
from aggregation_pipeline_tests.launching.conftest import CONFIG
from aggregation_pipeline_tests.project.test_project import settings

NOW = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)
ALL = ("users", "orders", "payments", "ranges", "hours")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder: Path = tmp_path_factory.mktemp("project")
    return load_usable_project(settings(folder, CONFIG, output_format=("csv", "json")), None)


def runs(found: Plan) -> list[tuple[tuple[str, ...], str | None, str | None, str | None]]:
    return [(run.tables, run.partition, run.first, run.last) for run in found.runs]


def test_without_anything_each_group_of_tables_becomes_a_run_and_the_others_are_skipped_with_the_reason(
    project: Project,
):
    found = plan(project, LaunchRequest(), NOW)
    assert {name for run in found.runs for name in run.tables} == {*ALL}
    by_tables = {run.tables: run for run in found.runs}
    assert by_tables["users",].windows == ("2026-11-26T1100",)
    assert by_tables["users",].tags == {}
    assert by_tables["orders", "payments"].partition == "2026-11-25"
    assert by_tables["orders", "payments"].windows == ("2026-11-25",)
    assert {*found.skipped} == {"later", "broken"}
    assert "no partition is complete yet" in found.skipped["later"]
    assert "selekt: unknown key" in found.skipped["broken"]


def test_a_moment_repeats_the_ticks_of_then(project: Project):
    for written in ("2026-11-20T02:00", "2026-11-19T18:00:00Z", "2026-11-20T02:00:00+08:00"):
        found = plan(project, LaunchRequest(tables=("users", "orders"), at=written), NOW)
        assert found.runs[0].tags[WINDOW_TAG] == "2026-11-20"
        assert runs(found)[1] == (("orders",), "2026-11-19", None, None)


def test_partitions_are_those_of_a_backfill_and_tables_of_one_job_share_its_runs(project: Project):
    days = LaunchRequest(tables=("orders", "payments", "ranges"), first="2026-11-20", last="2026-11-22")
    assert runs(plan(project, days, NOW)) == [
        (("orders", "payments"), None, "2026-11-20", "2026-11-22"),
        (("ranges",), None, "2026-11-20", "2026-11-21"),
        (("ranges",), "2026-11-22", None, None),
    ]
    assert [run.windows for run in plan(project, days, NOW).runs][1] == ("2026-11-20", "2026-11-21")
    day = LaunchRequest(tables=("hours",), first="2026-11-21", last="2026-11-21")
    assert len(plan(project, day, NOW).runs) == 24, "a date stands for its hours"


def test_formats_choose_assets_and_the_manifest_comes_along(project: Project):
    (run,) = plan(project, LaunchRequest(tables=("USERS",), formats=("csv",)), NOW).runs
    assert run.assets == (("aggregation", "users"), ("export", "users_csv"), ("export", "users_manifest"))
    assert run.job == "aggregate"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (LaunchRequest(tables=("userz",)), "no table named 'userz' is configured.*users"),
        (LaunchRequest(tables=("broken",)), "selekt: unknown key"),
        (LaunchRequest(tables=("later",)), "later: no partition is complete yet"),
        (LaunchRequest(tables=("users",), formats=("parquet",)), "'users' is not exported as parquet; its formats"),
        (LaunchRequest(formats=("cvs",)), "formats: expected one or more of json, csv.*csv"),
        (LaunchRequest(at="yesterday"), "at: 'yesterday' is no time; a day or a time is expected, such as 2026"),
        (LaunchRequest(at="2036-01-01"), "at: 2036-01-01 lies in the future"),
        (LaunchRequest(at="0001-01-01"), "at: 0001-01-01 lies before 1970"),
        (LaunchRequest(at="0001-01-01T00:00+23:59"), "lies before 1970"),
        (LaunchRequest(tables=("users",), first="2026-11-20", last="2026-11-20"), "'users' has no partition in"),
        (LaunchRequest(tables=("orders",), first="2025-01-01", last="2026-11-20"), "has no partition '2025-01-01'"),
        (LaunchRequest(tables=("orders",), first="2026-11-20", last="2026-11-19"), "no partition lies between"),
    ],
)
def test_what_there_is_not_is_refused_in_the_words_of_the_configuration(
    project: Project, request_: LaunchRequest, words: str
):
    with pytest.raises(ConfigError, match=f"(?s){words}"):
        plan(project, request_, NOW)


def test_more_than_a_hundred_runs_are_left_to_a_backfill(project: Project):
    with pytest.raises(LaunchError, match=r"would be 120 runs.*aggregation-pipeline backfill"):
        plan(project, LaunchRequest(tables=("hours",), first="2026-11-20", last="2026-11-24"), NOW)


def test_too_many_tables_with_runs_of_their_own_are_refused_with_what_puts_them_together(tmp_path: Path):
    entries = "".join(f"  t{number}: {{select_fields: [id]}}\n" for number in range(101))
    alone = load_usable_project(settings(tmp_path, f"runs: per_table\ntables:\n{entries}"), None)
    with pytest.raises(LaunchError) as refused:
        plan(alone, LaunchRequest(), NOW)
    assert str(refused.value) == (
        "This would be 101 runs, and a request may make 100. Name at most 100 at a time in `tables`, or compute them by"
        " the command aggregation-pipeline run. 101 of these tables are a run each, because of `runs: per_table`."
        " `runs: per_tick` puts tables that take seconds into one run"
    )
    names = tuple(f"t{number}" for number in range(100))
    assert len(plan(alone, LaunchRequest(tables=names), NOW).runs) == 100


def test_a_plan_is_read_as_it_was_stored_and_its_ids_follow_from_that_of_the_request(project: Project):
    seed = UUID(int=7)
    found = plan(project, LaunchRequest(), NOW).with_ids(seed)
    assert Plan.from_json(found.to_json()) == found
    assert found == plan(project, LaunchRequest(), NOW).with_ids(seed)
    assert len({run.run_id for run in found.runs}) == len(found.runs)
