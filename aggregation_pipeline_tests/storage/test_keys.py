"""Object keys: true names, one key for each, and nothing that leaves the prefix."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage import keys

HOSTILE = [
    "..",
    ".",
    "",
    "/",
    "/etc/passwd",
    "../up",
    "a/../b",
    "a//b",
    "a\\..\\b",
    "\\a",
    "nul\0",
    "line\nbreak",
    "esc\x1b[0m",
    "c1\x85",
    "half\ud83d",
]


def test_keys_hold_the_true_names():
    assert (
        keys.window_key("daily", "用户 表.v2", "2026-11-20T1400", "用户 表.v2.summary.csv")
        == "daily/用户 表.v2/2026-11-20T1400/用户 表.v2.summary.csv"
    )
    assert keys.manifest_key("", "orders", "2026-11-20") == "orders/2026-11-20/manifest.json"
    assert keys.extract_key("a/b", "orders", "2026-11-20", "run-1", "detail") == "a/b/_extracts/orders/2026-11-20/run-1/detail.parquet"
    assert keys.latest_key("a/", "orders") == "a/orders/latest.json"
    assert keys.manifest_key("a", "orders", "w", version="run-1") == "a/orders/w/run-1/manifest.json"
    assert keys.expired_key("a", "orders", "w") == "a/orders/w/expired.json"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_table_window_file_or_run_name_is_refused_by_name(name: str):
    builders: dict[str, Callable[[], str]] = {
        "table": lambda: keys.window_key("p", name, "w", "f"),
        "window": lambda: keys.manifest_key("p", "t", name),
        "file name of table 't'": lambda: keys.window_key("p", "t", "w", name),
        "run": lambda: keys.extract_key("p", "t", "w", name, "detail"),
    }
    for what, build in builders.items():
        with pytest.raises(StorageError, match=f"The {what}.* cannot be part of an object key") as caught:
            build()
        assert repr(name) in str(caught.value)


@pytest.mark.parametrize("prefix", ["..", "/absolute", "a/../b", "a//b", "a\\b", "a\n"])
def test_a_hostile_prefix_is_refused_and_named(prefix: str):
    with pytest.raises(StorageError, match="OSS_PREFIX"):
        keys.manifest_key(prefix, "orders", "2026-11-20")


def test_slashes_in_names_are_encoded_and_two_names_never_share_a_key():
    assert keys.window_key("", "a/b", "w", "a/b.json") == "a%2Fb/w/a%2Fb.json"
    assert keys.window_key("", "a%2Fb", "w", "x") == "a%252Fb/w/x"


def test_a_table_called_manifest_or_extracts_does_not_take_their_places():
    assert keys.window_key("", "manifest", "w", "manifest.json") == "manifest/w/%6Danifest.json"
    assert keys.window_key("", "latest", "w", "Latest.json") == "latest/w/%4Catest.json"
    assert keys.window_key("", "expired", "w", "expired.json") == "expired/w/%65xpired.json"
    assert keys.manifest_key("", "_extracts", "w") == "%5Fextracts/w/manifest.json"


def test_a_key_over_1023_bytes_is_refused_in_bytes_not_characters():
    assert keys.window_key("", "t", "w", "表" * 339)
    with pytest.raises(StorageError, match=r"1024 bytes in UTF-8; OSS takes 1023"):
        keys.window_key("", "tt", "ww", "表" * 339 + "x")


@given(st.text(min_size=1, max_size=64), st.text(min_size=1, max_size=30))
def test_any_key_that_is_built_passes_the_last_gate_and_reads_back(table: str, window: str):
    try:
        key = keys.manifest_key("some/prefix", table, window)
    except StorageError:
        return
    assert keys.check_key(key) == key
    assert keys.split_manifest_key("some/prefix", key) == (table, window)
    assert key.startswith("some/prefix/")
    assert ".." not in key.split("/")


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "a/../b", "./a", "a\\b", "a\tb", "x" * 1024])
def test_the_last_gate_refuses_what_a_store_could_misread(key: str):
    with pytest.raises(StorageError):
        keys.check_key(key)
