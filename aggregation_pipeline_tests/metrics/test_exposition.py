"""The text: any name of a table can be read back, labels are bounded, and names keep to Prometheus' conventions."""

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.metrics_core import Metric

from aggregation_pipeline.batch_jobs.last_day import LastDay, TableFigures
from aggregation_pipeline.batch_jobs.mirror_cursor import MirrorCursor
from aggregation_pipeline.health.probe import Probe
from aggregation_pipeline.metrics.batch_jobs import batch_jobs_metrics
from aggregation_pipeline.metrics.dagster_state import mirror_metrics
from aggregation_pipeline.metrics.exposition import Metrics, encode
from aggregation_pipeline.metrics.labels import OTHER
from aggregation_pipeline.metrics.source import Source
from aggregation_pipeline_tests.metrics.parsed import families, samples, value

STAGES = {"read": 1.0, "render": 2.0, "publish": 3.0}
TABLE = TableFigures(10, 100, 2, 3, 1, 7.0, STAGES, failing=True)
NAMES = st.text(st.characters(codec=None), min_size=1, max_size=12) | st.sampled_from(
    ["订单", 'a"b', "a\\b", "a\nb", "a\\n", "a\rb", "\ud800", "\0", "other", "{}", "#", " ", "😀", "a\u2028b", "\x85"]
)


def text_of(families_: list[Metric], accept: str = "") -> str:
    source = Source("s", lambda: families_)
    asking = source.ask()
    assert asking is not None
    asking.result(60)
    return encode(Metrics([source], []), accept)[0].decode()


def of_figures(tables: dict[str, TableFigures], names: list[str], accept: str = "") -> str:
    return text_of(list(batch_jobs_metrics(LastDay(1, 1, tables), names)), accept)


@given(
    configured=st.lists(NAMES, max_size=6, unique=True),
    gone=st.lists(NAMES, max_size=6, unique=True),
    accept=st.sampled_from(["", "application/openmetrics-text; version=1.0.0"]),
)
def test_any_name_of_a_table_goes_there_and_back(configured: list[str], gone: list[str], accept: str):
    tables = dict.fromkeys([*configured, *gone], TABLE)
    text = of_figures(tables, configured, accept)
    rows = {dict(labels)["table"]: found for (name, labels), found in samples(text).items() if "last_day_rows" in name}
    # Nothing is lost, and nothing is named that is not configured.
    assert sum(rows.values()) == 10 * len(tables)
    printable = {name for name in configured if name.isprintable()}
    assert printable <= set(rows)
    assert len(set(rows) - printable - {OTHER}) <= len(configured)
    uploads = {found for (name, labels), found in samples(text).items() if name == "aggregation_last_day_uploads"}
    assert len(uploads) <= 2 * (len(configured) + 1)


@given(accept=st.text(st.characters(codec="latin-1")) | st.sampled_from(["application/openmetrics-text; version=x"]))
def test_whatever_is_accepted_there_is_an_answer(accept: str):
    text, media_type = encode(Metrics([], []), accept)
    assert families(text.decode())
    assert media_type.partition(";")[0] in {"text/plain", "application/openmetrics-text"}


def test_tables_that_left_the_configuration_share_a_label_and_do_not_fail():
    text = of_figures(dict.fromkeys(["orders", "gone", "long gone"], TABLE), ["orders", "never run"])
    assert value(text, "aggregation_last_day_rows", table="orders") == 10
    assert value(text, "aggregation_last_day_rows", table=OTHER) == 20
    assert value(text, "aggregation_table_failing", table="orders") == 1
    assert value(text, "aggregation_table_failing", table=OTHER) is None
    assert value(text, "aggregation_last_day_rows", table="never run") is None


def test_the_stages_make_up_all_seconds():
    text = of_figures({"orders": TABLE}, ["orders"])
    found = {
        stage: value(text, "aggregation_last_day_seconds", table="orders", stage=stage) for stage in (*STAGES, OTHER)
    }
    assert found == {**STAGES, OTHER: 1.0}
    assert value(text, "aggregation_last_day_uploads", table="orders", result="published") == 3
    assert value(text, "aggregation_last_day_uploads", table="orders", result="failed") == 1


def test_a_share_of_no_runs_is_absent():
    assert value(text_of(list(batch_jobs_metrics(LastDay(0, 0, {}), []))), "aggregation_last_day_failed_ratio") is None
    assert value(text_of(list(batch_jobs_metrics(LastDay(3, 1, {}), []))), "aggregation_last_day_failed_ratio") == 0.25


def test_the_mirror_is_told_by_its_cursor():
    at = datetime(2026, 11, 27, 2, tzinfo=UTC)
    text = text_of(list(mirror_metrics(MirrorCursor(at, ("a", "b"), behind=3, lag_seconds=8.5, at=at))))
    found = {
        name: value(text, f"aggregation_mirror_{name}") for name in ("lag_seconds", "missing_runs", "refused_runs")
    }
    assert found == {"lag_seconds": 8.5, "missing_runs": 3, "refused_runs": 2}
    assert value(text, "aggregation_mirror_look_timestamp_seconds") == at.timestamp()
    assert list(mirror_metrics(None)) == []


def test_health_is_told_as_the_probes_know_it_and_nobody_is_asked_for_it():
    asked: list[int] = []

    def refuse() -> str:
        asked.append(1)
        return "db.internal refuses"

    probes = [Probe("mysql", refuse), Probe("postgres", lambda: None, required=True)]
    for probe in probes:
        if (asking := probe.ask()) is not None:
            asking.result(60)
    text = encode(Metrics([], probes), "")[0].decode()
    assert value(text, "aggregation_health_check_success", check="mysql", required="false") == 0
    assert value(text, "aggregation_health_check_success", check="postgres", required="true") == 1
    assert asked == [1]
    assert "db.internal" not in text


def test_what_runs_is_told():
    found = [labels for (name, labels) in samples(encode(Metrics([], []), "")[0].decode()) if "build" in name]
    assert [sorted(dict(labels)) for labels in found] == [["dagster", "python", "version"]]


def test_names_keep_to_the_conventions():
    cursor = MirrorCursor(datetime.now(UTC), at=datetime.now(UTC))
    made = [*batch_jobs_metrics(LastDay(1, 1, {"orders": TABLE}), ["orders"]), *mirror_metrics(cursor)]
    for name, family in families(text_of(made)).items():
        assert family.documentation.strip().endswith("."), name
        assert not re.search(r"_(total|count|sum|ms|minutes|hours|days|kb)$", name) or family.type == "counter", name
