"""Object keys: true names, one key for each, and nothing that leaves the prefix."""

from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.storage import keys, parsed_keys

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
    assert (
        keys.window_key("daily", "orders", "2026-11-20", "orders.json", publication="run-1.2")
        == "daily/orders/2026-11-20/run-1.2/orders.json"
    )
    assert keys.manifest_key("", "orders", "2026-11-20") == "orders/2026-11-20/manifest.json"
    assert (
        keys.manifest_key("a", "orders", "2026-11-20", publication="run-1") == "a/orders/2026-11-20/run-1/manifest.json"
    )
    assert keys.mark_key("a", "orders", "2026-11-20", "run-1") == "a/orders/2026-11-20/run-1/publication.json"
    assert (
        keys.extract_key("a/b", "orders", "2026-11-20", "run-1", "detail")
        == "a/b/_extracts/orders/2026-11-20/run-1/detail.parquet"
    )
    assert keys.latest_key("a/", "orders") == "a/orders/latest.json"
    assert keys.latest_name_key("a/", "orders", "orders.json") == "a/orders/latest/orders.json"


def test_a_publication_is_called_by_its_run_and_from_the_second_attempt_on_by_its_number():
    assert [keys.publication_id("run", attempt) for attempt in (1, 2, 10)] == ["run", "run.2", "run.10"]
    assert [keys.run_of(publication) for publication in ("run", "run.2", "run.10")] == ["run"] * 3


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


def test_a_table_called_as_an_object_of_ours_does_not_take_its_place():
    assert keys.window_key("", "manifest", "w", "manifest.json") == "manifest/w/%6Danifest.json"
    assert keys.window_key("", "latest", "w", "Latest.json") == "latest/w/%4Catest.json"
    assert (
        keys.window_key("", "publication", "w", "publication.json", publication="r")
        == "publication/w/r/%70ublication.json"
    )
    assert keys.manifest_key("", "_extracts", "w") == "%5Fextracts/w/manifest.json"


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("p/orders/2026-11-20/manifest.json", ("orders", "2026-11-20", "", "manifest.json")),
        ("p/a%2Fb/2026-11-20-14%3A00/r-1.2/a%2Fb.json", ("a/b", "2026-11-20-14:00", "r-1.2", "a%2Fb.json")),
        ("p/orders/2026-10-25-02%3A00+0100/manifest.json", ("orders", "2026-10-25-02:00+0100", "", "manifest.json")),
        ("p/manifest/2026-11-20/%6Danifest.json", ("manifest", "2026-11-20", "", "%6Danifest.json")),
        ("p/%5Fextracts/2026-11-20/manifest.json", ("_extracts", "2026-11-20", "", "manifest.json")),
        ("p/_extracts/2026-11-20/manifest.json", None),
        ("p/%6Frders/2026-11-20/manifest.json", None),
        ("p/orders/2026-11-20/a/b/manifest.json", None),
        ("p/orders/2026-11-20/my notes/manifest.json", None),
        ("p/orders/2026-11-20/r.0/manifest.json", None),
        ("p/orders/zzz/manifest.json", None),
        ("p/orders/2026-02-30/manifest.json", None),
        ("p/orders/2026-11-20T2460/manifest.json", None),
        ("p/orders/latest/orders.json", None),
        ("p/orders/latest.json", None),
        ("q/orders/2026-11-20/manifest.json", None),
    ],
)
def test_a_key_says_what_it_is_only_where_we_could_have_made_it(key: str, place: tuple[str, ...] | None):
    assert parsed_keys.parse_key("p", key) == place


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("p/_extracts/orders/2026-11-20/r-1/summary.parquet", ("orders", "2026-11-20", "r-1", "summary")),
        ("p/_extracts/orders/2026-11-20/r-1/summary.csv", None),
        ("p/_extracts/orders/2026-11-20/r-1/theirs.parquet", None),
        ("p/_extracts/orders/zzz/r-1/summary.parquet", None),
        ("p/_extracts/summary.parquet", None),
        ("p/_extracts/orders/2026-11-20/r-1/deeper/summary.parquet", None),
        ("p/_extracts/orders/2026-11-20/a folder/summary.parquet", None),
    ],
)
def test_so_does_the_key_of_an_extract(key: str, place: tuple[str, ...] | None):
    assert parsed_keys.parse_extract_key("p", key) == place


def test_a_key_over_1023_bytes_is_refused_in_bytes_not_characters():
    assert keys.window_key("", "t", "w", "表" * 339)
    with pytest.raises(StorageError, match=r"1024 bytes in UTF-8; OSS takes 1023"):
        keys.window_key("", "tt", "ww", "表" * 339 + "x")


@given(st.text(min_size=1, max_size=64), st.datetimes(), st.text(min_size=1, max_size=30))
def test_any_key_that_is_built_passes_the_last_gate_and_reads_back(table: str, moment: datetime, filename: str):
    window = f"{moment:%Y-%m-%d-%H:%M}".rjust(16, "0")
    try:
        built = [
            keys.manifest_key("some/prefix", table, window),
            keys.window_key("some/prefix", table, window, filename),
            keys.window_key("some/prefix", table, window, filename, publication="run"),
        ]
    except StorageError:
        return
    for key, publication in zip(built, ("", "", "run"), strict=True):
        assert keys.check_key(key) == key
        place = parsed_keys.parse_key("some/prefix", key)
        assert place is not None
        assert place[:3] == (table, window, publication)
        assert key.startswith("some/prefix/")
        assert ".." not in key.split("/")


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "a/../b", "./a", "a\\b", "a\tb", "x" * 1024])
def test_the_last_gate_refuses_what_a_store_could_misread(key: str):
    with pytest.raises(StorageError):
        keys.check_key(key)
