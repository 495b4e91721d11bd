"""Names that Dagster takes, for tables that MySQL allows."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.assets.names import export_key, op_name, require_unique, segment, source_key, table_key
from aggregation_pipeline.errors import ConfigError


def test_a_plain_name_stays_itself():
    assert segment("users") == "users"
    assert table_key("users").path == ["aggregation", "users"]
    assert export_key("users", "csv").path == ["export", "users", "csv"]
    assert source_key("shop", "v1.users").path == ["mysql", "shop", segment("v1.users")]


@given(st.text(min_size=1))
def test_any_name_becomes_one_that_dagster_takes(name):
    assert re.fullmatch(r"[A-Za-z0-9_]+", segment(name))
    assert re.fullmatch(r"[A-Za-z0-9_]+", op_name(name))


@given(st.lists(st.text(st.sampled_from("ab._- 中文"), min_size=1, max_size=4), unique=True, min_size=2))
def test_different_names_stay_apart(names):
    assert len({segment(name) for name in names}) == len(names)


def test_two_entries_that_dagster_could_not_tell_apart_are_refused():
    require_unique(["a.b", "a-b", "a b", "订单"])
    with pytest.raises(ConfigError, match=r"'Users' and 'users'"):
        require_unique(["Users", "users"])
