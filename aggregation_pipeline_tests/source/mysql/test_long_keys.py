"""Texts that differ only after their first 1,024 bytes are different keys."""

from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.extract import Extract
from aggregation_pipeline.source.mysql import long_keys
from aggregation_pipeline_tests.support.reading import Read
from aggregation_pipeline_tests.support.servers.chosen import on

pytestmark = pytest.mark.sample

KINDS = ("TEXT", "LONGTEXT", "VARCHAR(3000)", "BLOB")
# 1 and 3 are equal; 5 differs from them in its case, which these collations do not see but bytes do; 6 is short.
ENDS = {1: "1a", 2: "2", 3: "1a", 4: "3", 5: "1A", 6: ""}
FIGURES = [
    {"function": "COUNT", "alias": "n"},
    {"function": "GROUP_CONCAT", "field": "id", "alias": "ids"},
    {"function": "COUNT DISTINCT", "field": "url", "alias": "urls"},
    {"function": "MAX", "field": "url", "alias": "last"},
]


def rows(extract: Extract, place: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(extract.datasets[place].path).to_pylist()
    return found


def fill(execute: Callable[..., None], kind: str, beginning: str = "REPEAT('张', 700)") -> None:
    values = ", ".join(
        f"({key}, {f'CONCAT({beginning}, {end!r})' if end else repr('short')})" for key, end in ENDS.items()
    )
    execute(
        [
            "DROP TABLE IF EXISTS hits",
            f"CREATE TABLE hits (id INT PRIMARY KEY, url {kind})",
            f"INSERT INTO hits VALUES {values}",
        ]
    )


@pytest.mark.parametrize("kind", KINDS)
def test_long_keys_make_groups_of_their_own(read: Read, execute: Callable[..., None], kind: str):
    fill(execute, kind)
    groups = [[1, 3], [2], [4], [5], [6]] if kind == "BLOB" else [[1, 3, 5], [2], [4], [6]]
    for figures in (FIGURES[:1], FIGURES[:2], FIGURES):
        found = rows(read(name="hits", group_by=["url"], aggregations=figures))
        assert sorted(row["n"] for row in found) == sorted(map(len, groups))
        if len(figures) > 1:
            assert sorted(row["ids"] for row in found) == sorted(",".join(map(str, group)) for group in groups)
        if len(figures) > 2:
            assert {row["urls"] for row in found} == {1}
    total = rows(read(name="hits", aggregations=FIGURES))
    assert (total[0]["n"], total[0]["urls"]) == (6, len(groups))


@pytest.mark.parametrize("kind", KINDS)
def test_long_texts_are_sorted_to_their_ends(read: Read, execute: Callable[..., None], kind: str):
    fill(execute, kind)
    for order, column in (("url", "url"), ("CONCAT(url, '')", "url"), ("u", {"expr": "url", "alias": "u"})):
        found = rows(read(name="hits", select_fields=["id", column], order_by=[f"{order} DESC"]))
        ids = [row["id"] for row in found]
        # Where two are equal the key decides.
        assert [key for key in ids if key != 6] == [4, 2, 1, 3, 5]


# MySQL 5.6 has no window functions.
@on("seekdb", "mariadb")
def test_windows_compare_whole_texts(read: Read, execute: Callable[..., None]):
    fill(execute, "TEXT")
    window = [
        {"expr": "COUNT(*) OVER (PARTITION BY url)", "alias": "n"},
        {"expr": "DENSE_RANK() OVER (ORDER BY url)", "alias": "place"},
    ]
    found = rows(read(name="hits", select_fields=["id", *window], order_by=["id"]))
    assert [row["n"] for row in found] == [3, 1, 3, 1, 3, 1]
    assert len({row["place"] for row in found}) == 4
    columns = [f"c{number}" for number in range(6)]
    long = ", ".join(["REPEAT('x', 240)"] * 5)
    values = ", ".join(f"({key}, {long}, '{end}')" for key, end in enumerate("cab", 1))
    execute(
        [
            f"CREATE TABLE wide (id INT PRIMARY KEY, {' VARCHAR(250), '.join(columns)} VARCHAR(250))",
            f"INSERT INTO wide VALUES {values}",
        ]
    )
    rank = {"expr": f"RANK() OVER (ORDER BY CONCAT({', '.join(columns)}) DESC)", "alias": "place"}
    assert [row["place"] for row in rows(read(name="wide", select_fields=["id", rank]))] == [1, 3, 2]


def test_sub_selects_sort_whole_texts(read: Read, execute: Callable[..., None]):
    fill(execute, "TEXT")
    execute(["CREATE TABLE pages (id INT PRIMARY KEY)", "INSERT INTO pages VALUES (1)"])
    last = {"expr": "(SELECT id FROM hits WHERE id < 6 ORDER BY url DESC, id LIMIT 1)", "alias": "last"}
    assert rows(read(name="pages", select_fields=["id", last])) == [{"id": 1, "last": 4}]


def test_the_terms_of_a_window_are_found():
    sql = (
        "SUM(n) OVER (PARTITION BY a, `b c`, CONCAT(x, ',') ORDER BY t.d DESC, e ROWS UNBOUNDED PRECEDING) + RANK()"
        " OVER (ORDER BY f)"
    )
    assert list(long_keys.window_terms(sql)) == ["a", "`b c`", "CONCAT( x , ',' )", "t.d", "e", "f"]


def test_short_keys_are_not_measured(read: Read, execute: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    execute(["CREATE TABLE hits (id INT PRIMARY KEY, url VARCHAR(200), n INT)", "INSERT INTO hits VALUES (1, 'a', 1)"])
    monkeypatch.setattr(long_keys, "_source", lambda *_: pytest.fail("nothing can be long here"))
    found = read(name="hits", group_by=["url", "n"], select_fields=["*"], order_by=["url", "n"])
    assert [len(rows(found, place)) for place in (0, 1)] == [1, 1]


# seekdb compares whole texts and needs no room for it.
@on("mariadb", "mysql56")
def test_keys_that_would_fill_the_servers_disk_are_refused(
    read: Read, execute: Callable[..., None], monkeypatch: pytest.MonkeyPatch
):
    fill(execute, "TEXT")
    monkeypatch.setattr(long_keys, "MOST_SORTED_BYTES", 5_000)
    with pytest.raises(
        SourceError, match=r"hits: `url`, by which rows are grouped .* 2,808 bytes, .* 6 rows.*SHA2\(column, 256\)"
    ):
        read(name="hits", group_by=["url"])


@pytest.mark.slow
def test_a_hundred_thousand_texts_are_sorted_with_the_servers_own_buffers(read: Read, execute: Callable[..., None]):
    execute(
        [
            "CREATE TABLE hits (id INT PRIMARY KEY AUTO_INCREMENT, url TEXT)",
            "INSERT INTO hits (url) VALUES ('0'), ('1')",
        ]
    )
    for _ in range(16):
        execute("INSERT INTO hits (url) SELECT CONCAT('https://example.com/', id % 997) FROM hits")
    for end in ("1", "2", "1"):
        execute(f"INSERT INTO hits (url) VALUES (CONCAT(REPEAT('u', 2000), '{end}'))")
    found = rows(read(name="hits", group_by=["url"], aggregations=FIGURES[:2]))
    assert sorted(row["n"] for row in found if len(row["url"]) > 1000) == [1, 2]
    detail = rows(read(name="hits", select_fields=["url"], order_by=["url"]))
    assert len(detail) == 2**17 + 3
    assert [row["url"][-1] for row in detail[-3:]] == ["1", "1", "2"]
