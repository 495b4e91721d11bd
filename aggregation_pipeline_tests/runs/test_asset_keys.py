"""Names that Dagster takes, for tables that MySQL allows."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.assets.keys import export_key, manifest_key, source_key, table_key
from aggregation_pipeline.assets.source_specs import sources_of
from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline.runs.asset_keys import (
    OUTPUTS,
    Scope,
    export_path,
    is_of_scope,
    op_name,
    parse_asset_key,
    require_unique,
    segment,
    segment_of_step,
    table_path,
)


def own_database(source: str | None) -> str:
    return "shop"


def test_a_plain_name_stays_itself():
    assert segment("users") == "users"
    assert table_key("users").path == ["aggregation", "users"]
    assert export_key("users", "csv").path == ["export", "users_csv"]
    assert manifest_key("users").path == ["export", "users_manifest"]
    assert source_key("shop", "v1.users").path == ["mysql", "shop", segment("v1.users")]


@given(st.text(min_size=1))
def test_any_name_becomes_one_that_dagster_takes(name):
    assert re.fullmatch(r"[A-Za-z0-9_]+", segment(name))
    assert re.fullmatch(r"[A-Za-z0-9_]+", op_name(name))


@given(st.lists(st.text(st.sampled_from("ab._- 中文"), min_size=1, max_size=4), unique=True, min_size=2))
def test_different_names_stay_apart(names):
    assert len({segment(name) for name in names}) == len(names)


# Names that end like outputs, too.
NAMES = st.lists(st.sampled_from(["orders", "a.b", "订单", "_", "csv", *OUTPUTS]), min_size=1, max_size=3).map("_".join)


@given(st.lists(NAMES, unique=True))
def test_each_key_tells_whose_it_is_and_no_two_tables_share_one(names):
    places = {
        segment(name): [
            (table_path(segment(name)), None),
            *((export_path(segment(name), each), each) for each in OUTPUTS),
        ]
        for name in names
    }
    for part, keys in places.items():
        assert [parse_asset_key(path) for path, _ in keys] == [(part, output) for _, output in keys]
        assert segment_of_step(op_name(part)) == part
    assert len({path for keys in places.values() for path, _ in keys}) == len(places) * (1 + len(OUTPUTS))


@pytest.mark.parametrize("name", ["shop", "aggregate_shop", "shop_1"])
def test_a_step_belongs_to_the_component_that_it_is_called_after_and_to_no_other(name: str):
    step = Scope(name).op_name("orders")
    assert segment_of_step(step, name) == "orders"
    assert not is_of_scope(step, "hop")
    assert not is_of_scope(op_name("orders"), name)
    # A table of a deployment that is called so is the deployment's.
    table = "a__aggregate_b"
    assert segment_of_step(op_name(table)) == segment(table)


def test_a_step_of_a_component_is_of_no_deployment():
    assert not is_of_scope(Scope("shop").op_name("orders"))
    assert segment_of_step(Scope("shop").op_name("orders")) is None


@pytest.mark.parametrize(
    "path",
    [
        (),
        ("orders",),
        ("export", "orders"),
        ("export", "csv"),
        ("export", "_csv"),
        ("export", "orders_pdf"),
        ("export", "orders", "csv"),
        ("a", "b"),
    ],
)
def test_other_peoples_keys_are_nobodys(path):
    assert parse_asset_key(path) is None


def entries(*names: str) -> list[TableEntry]:
    return [TableEntry(name=name) for name in names]


def test_entries_that_dagster_could_not_tell_apart_are_refused():
    require_unique(
        entries("a.b", "a-b", "a b", "订单", "orders", "orders_csv", "orders_csv_csv", "orders_manifest", "manifests"),
        own_database,
    )
    with pytest.raises(
        ConfigError,
        match=r"the table 'Users' and the table 'users' would have the same name in Dagster, aggregation/users\.",
    ):
        require_unique(entries("Users", "users"), own_database)
    with pytest.raises(ConfigError, match=r"the table 'a\.b' and the table 'a_b_.*' would have"):
        require_unique(entries("a.b", segment("a.b")), own_database)


def test_source_tables_that_dagster_could_not_tell_apart_are_refused():
    # Case counts in the names of MySQL's tables on most servers, and nothing is stored by a source's name.
    fine = [TableEntry(name="a", table="shop.T"), TableEntry(name="b", table="shop.t"), TableEntry(name="c", table="t")]
    require_unique(fine, own_database)
    twins = [TableEntry(name="a", table="shop.`v1.t`"), TableEntry(name="b", table=segment("v1.t"))]
    with pytest.raises(
        ConfigError,
        match=r"the source table 'shop\.v1\.t' and the source table 'shop\.v1_t_.*' would have the same name",
    ):
        require_unique(twins, own_database)


def test_tables_of_two_servers_are_two_assets_whatever_they_are_called():
    shop, crm, unnamed = (
        TableEntry(name=name, table="users", source=source)
        for name, source in (("a", "shop"), ("b", "crm"), ("c", None))
    )
    require_unique([shop, crm, unnamed], own_database)
    keys = [source_key("shop", "users", source=entry.source).path for entry in (shop, crm, unnamed)]
    assert keys == [["mysql", "shop", "shop", "users"], ["mysql", "crm", "shop", "users"], ["mysql", "shop", "users"]]


def test_a_table_of_postgresql_is_one_asset_however_its_schema_is_named():
    plain, named, other = (
        TableEntry.model_validate({"name": name, "table": table, "source_kind": "postgresql"})
        for name, table in (("a", "orders"), ("b", "public.orders"), ("c", "shop.orders"))
    )
    require_unique([plain, named, other], own_database)
    assert [list(sources_of(entry, "shop")) for entry in (plain, named, other)] == [
        [source_key("shop", schema, "orders", kind="postgresql")] for schema in ("public", "public", "shop")
    ]
    assert list(map(str, sources_of(plain, "shop").values())) == ["shop.public.orders"]
