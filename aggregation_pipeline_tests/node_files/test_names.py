"""The keys of the Node.js service's files are made and read back as the service made them."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.node_files.names import (
    DEFAULT_TEMPLATE,
    NODE_FORMATS,
    NodeFile,
    checked_template,
    key_of,
    prefix_of,
    read_key,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")
TICK = datetime(2026, 11, 19, 18, 0, tzinfo=UTC)
TEMPLATES = (
    DEFAULT_TEMPLATE,
    "{name}/{stamp}.{ext}",
    "exports/{YYYY}-{MM}/{name}.{stamp}.{ext}",
    "{ext}/{DD}/{name}_{stamp}_{name}.{ext}",
)


def test_the_keys_are_those_of_the_service():
    made = [key_of(NodeFile(name, TICK, form), SHANGHAI) for name in ("aggregated", "orders") for form in NODE_FORMATS]
    assert made == [
        "data-aggregation/2026/11/20/aggregated_20261120_020000.json",
        "data-aggregation/2026/11/20/aggregated_20261120_020000.csv",
        "data-aggregation/2026/11/20/aggregated_20261120_020000.excel",
        "data-aggregation/2026/11/20/orders_20261120_020000.json",
        "data-aggregation/2026/11/20/orders_20261120_020000.csv",
        "data-aggregation/2026/11/20/orders_20261120_020000.excel",
    ]


@given(
    st.text(st.characters(exclude_characters="/", exclude_categories=["Cs", "Cc"]), min_size=1),
    st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    st.sampled_from(NODE_FORMATS),
    st.sampled_from(TEMPLATES),
)
def test_each_key_says_what_it_was_made_of(name: str, stamp: datetime, form: str, template: str):
    file = NodeFile(name, stamp, form)  # type: ignore[arg-type]
    assert read_key(key_of(file, ZoneInfo("UTC"), template), ZoneInfo("UTC"), template) == file


@pytest.mark.parametrize(
    "key",
    [
        "data-aggregation/2026/11/20/orders_20261120_020000.xlsx",
        "data-aggregation/2026/11/20/orders_20261120_020000.json.bak",
        "data-aggregation/2026/11/20/orders_20261120_0200.json",
        "data-aggregation/2026/11/20/orders_20261320_020000.json",
        # Of another day than its folder.
        "data-aggregation/2026/11/21/orders_20261120_020000.json",
        "data-aggregation/2026/11/20/_20261120_020000.json",
        "data-aggregation/2026/11/20/a/orders_20261120_020000.json",
        "orders/2026-11-20/orders.json",
        "",
    ],
)
def test_a_key_of_another_kind_says_nothing(key: str):
    assert read_key(key, SHANGHAI) is None


def test_a_stamp_that_a_clock_shows_twice_is_the_first_of_both():
    berlin = ZoneInfo("Europe/Berlin")
    for hour in (0, 1):
        key = key_of(NodeFile("orders", datetime(2026, 10, 25, hour, 30, tzinfo=UTC), "json"), berlin)
        found = read_key(key, berlin)
        assert found is not None
        assert found.stamp.astimezone(UTC) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_files_of_a_day_are_found_by_what_their_keys_begin_with():
    day = date(2026, 11, 20)
    assert [prefix_of(template) for template in TEMPLATES] == ["data-aggregation/", "", "exports/", ""]
    assert [prefix_of(template, day) for template in TEMPLATES] == [
        "data-aggregation/2026/11/20/",
        "",
        "exports/2026-11/",
        "",
    ]


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a/{name}_{stamp}", "{ext} is missing, so files would overwrite each other"),
        ("a/{stamp}.{ext}", "{name} is missing"),
        ("a/{YYYY}/{name}.{ext}", "{stamp} is missing"),
        ("a/{table}_{stamp}.{ext}", "{table} is no part of a key; parts are {YYYY}, {MM}, {DD}, {stamp}"),
        ("/a/{name}_{stamp}.{ext}", "no / around them"),
        ("a//{name}_{stamp}.{ext}", "folders with names"),
        ("../{name}_{stamp}.{ext}", "folders with names"),
        ("a\\{name}_{stamp}.{ext}", "folders with names"),
        ("a}/{name}_{stamp}.{ext}", "a brace is never"),
        ("{name}_{stamp}.{ext}{", "a brace is never"),
    ],
)
def test_a_template_whose_keys_cannot_be_told_apart_is_refused(template: str, words: str):
    with pytest.raises(ValueError, match=words.replace("{", r"\{")):
        checked_template(template)
    for good in TEMPLATES:
        assert checked_template(good) == good
