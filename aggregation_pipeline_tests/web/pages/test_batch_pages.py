"""The pages of batches, without a browser: what they show, in both languages, whatever names and texts say."""

import functools
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote, unquote, urljoin
from uuid import UUID

import pytest
from markupsafe import escape
from starlette.applications import Starlette

from aggregation_pipeline.errors import MirrorError
from aggregation_pipeline.overview.one_batch import OneBatch
from aggregation_pipeline_tests.support.waiting import until
from aggregation_pipeline_tests.web.asgi import Answer, ask
from aggregation_pipeline_tests.web.pages.mornings import (
    BATCH_IDS,
    ERROR,
    HOSTILE,
    LONG_ERROR,
    NAMES,
    Reads,
    bad_morning,
    good_morning,
    one_batch,
)
from aggregation_pipeline_tests.web.pages.site import site

PATHS = ["/batches", *(f"/batches/tables/{name}" for name in NAMES), f"/batches/{BATCH_IDS[0]}"]
PATHS += ["/batches/days/2026-11-20", "/batches/days/2026-10-22", "/batches/nothing"]


class Tags(HTMLParser):
    """The names of all elements of a page, and of their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names, self.attributes = set[str](), set[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


@functools.cache
def bad_site(tables: int = len(NAMES)) -> Starlette:
    return site(Reads(bad_morning(tables)))


def get(path: str, reads: Reads | None = None, **options: Any) -> Answer:
    return ask(site(reads) if reads else bad_site(), path, **options)


def text_of(answer: Answer) -> str:
    """What a reader sees, in one line."""
    body = re.sub(r"<title>.*?</title>", "", answer.body.decode(), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def links_of(answer: Answer) -> Iterator[str]:
    return (unescape(link) for link in re.findall(r'(?:href|action)="([^"]*)"', answer.body.decode()))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("path", PATHS)
def test_pages_run_nothing_load_nothing_and_are_stored_nowhere(path: str, language: str):
    answer = get(path, accept_language=language)
    body = answer.body.decode()
    assert answer.status == (404 if path.endswith("nothing") else 200)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    assert f'<html lang="{"zh-CN" if language == "zh" else "en"}">' in body
    found = Tags(body)
    assert not found.names & {"script", "style", "img", "iframe", "object", "base"}
    assert not {name for name in found.attributes if name.startswith("on")} | (found.attributes & {"style", "src"})
    assert ">None<" not in body


def test_what_is_wrong_comes_first_with_its_remedy():
    text = text_of(get("/batches"))
    assert "Problems: 8, warnings: 3" in text
    assert ERROR in text
    assert "since 07:12" in text, "in the project's time zone"
    assert "Asia/Shanghai (UTC+08:00)" in text
    assert "15,679,271" in text
    chinese = text_of(get("/batches", accept_language="zh-CN"))
    assert "8 项异常，3 项需要留意" in chinese
    assert "通常 4,400万 至 5,300万" in chinese


def test_nothing_wrong_is_said_in_so_many_words():
    answer = get("/batches", Reads(good_morning()))
    assert "Nothing is wrong" in text_of(answer)
    assert 'class="card verdict ok"' in answer.body.decode()


def test_every_link_below_the_prefix_leads_somewhere():
    """Also those of names with slashes, quotes and markup."""
    app = bad_site()
    waiting, seen, others = {"/x/batches"}, set[str](), set[str]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        # As a server hands it over.
        answer = ask(app, "?".join([unquote(path.partition("?")[0]), path.partition("?")[2]]), root="/x")
        assert answer.status == 200, path
        for link in links_of(answer):
            assert link.startswith(("/x/", "?", "#")), link
            target = urljoin(path, link).partition("#")[0]
            # One filter at a time, and not from day to day for ever.
            is_next = target.startswith("/x/batches") and "&" not in target and "/days/" not in path
            (waiting if is_next else others).add(target)
        waiting -= seen
    assert {f"/x/batches/tables/{quote(name, safe='')}" for name in NAMES} <= seen
    assert {"/x/runs", "/x/account", f"/x/runs/{BATCH_IDS[0]}", "/x/assets/aggregation/orders"} <= others
    assert any(other.startswith("/x/files/orders/2026-11-19/") for other in others)


def test_a_table_has_its_window_error_files_and_checks():
    text = text_of(get("/batches/tables/orders"))
    for shown in (
        "2026-11-19",
        ERROR,
        "2026-11-19/orders.summary.csv",
        "3.3 MiB",
        "12 rows, at most 2",
        "nobody is named",
    ):
        assert shown in text, shown
    assert "summary 3, detail 1,234,567" in text


def test_a_batch_has_its_stages_and_what_differs():
    text = text_of(get(f"/batches/{BATCH_IDS[0]}"))
    for shown in ("Read 1 min 1 s", "2026-11-20 09:09:30", "whole run", "+20.0 %", "Only in this batch 新表", "1 / 2"):
        assert shown in text, shown


def test_long_errors_are_whole_on_demand():
    body = get(f"/batches/{BATCH_IDS[0]}").body.decode()
    assert f"<p>{escape(LONG_ERROR)}</p>" in body


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=table_01", 10),
        ("q=%E7%94%A8%E6%88%B7", 1),
        ("state=failed", 2),
        ("state=nonsense&page=-3&owner=", 60),
        ("page=99999999999999999999", 60),
        ("q=no+such+table", 0),
        (f"q={quote(HOSTILE)}&owner={quote(HOSTILE)}", 0),
        ("owner=team:finance", 30),
    ],
)
def test_tables_are_filtered_and_paged_by_plain_forms(query: str, found: int):
    answer = ask(bad_site(60), f"/batches?{query}")
    assert answer.status == 200
    assert f"{found} of 60 tables" in text_of(answer)


def test_a_day_has_its_batches():
    answer = get("/batches/days/2026-11-20?status=completed&table=orders")
    assert '<option value="completed" selected>' in answer.body.decode()
    (more,) = [link for link in links_of(answer) if "cursor=" in link]
    assert more.startswith("?status=completed&table=orders&cursor=")
    assert "/batches/days/2026-11-19?table=orders" in list(links_of(answer))
    second = get(f"/batches/days/2026-11-20{more}")
    assert [link for link in links_of(second) if "cursor=" in link and "lang=" not in link] == []
    assert "No such batch" in text_of(get("/batches/days/2026-10-22?status=nonsense&cursor=x"))


def test_the_batches_of_a_tick_have_a_heading_in_both_languages():
    pages = {name: text_of(get(f"/batches/days/2026-11-20?lang={name}")) for name in ("en", "zh")}
    assert "Tick of " in pages["en"]
    assert "2 batches" in pages["en"]
    assert "这一次定时触发：2 个批次" in pages["zh"]


def test_more_is_shown_to_those_who_ask():
    first, whole = (ask(bad_site(500), f"/batches{query}").body.decode() for query in ("", "?hours=all&concerns=all"))
    assert (first.count('<div class="line'), whole.count('<div class="line')) == (27, 502)
    assert (first.count("<li>"), whole.count("<li>")) == (10, 11)


def test_the_choice_of_a_language_is_kept_as_on_the_pages_of_sign_in():
    answer = get("/batches?lang=zh&q=orders")
    assert "aggregation_language=zh" in answer.headers["set-cookie"]
    assert "?q=orders&lang=en" in list(links_of(answer))
    assert "筛选" in text_of(get("/batches", cookie="aggregation_language=zh"))


def test_what_is_known_is_shown_while_a_server_is_away():
    morning = bad_morning()
    away = replace(
        morning,
        away=("batch_jobs", "history"),
        ages={"dagster": 1.0},
        today=None,
        days=(),
        open_batches=None,
    )
    answer = get("/batches", Reads(away))
    assert (answer.status, "The database of batch_jobs does not answer" in text_of(answer)) == (200, True)
    assert "orders" in text_of(answer)
    nothing = replace(away, away=("dagster", "batch_jobs", "history"), ages={}, tables=())
    for path in ("/batches", "/batches/tables/orders"):
        answer = get(path, Reads(nothing))
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert "Nothing can be read now" in text_of(answer)
    assert "暂时无法读取" in text_of(get("/batches", Reads(nothing), accept_language="zh"))


class Away(Reads):
    """Neither batch_jobs nor Dagster can be read."""

    def batch(self, batch_id: UUID) -> OneBatch | None:
        raise MirrorError("postgresql://db.internal does not answer")


class Half(Reads):
    """Only Dagster can be read."""

    def batch(self, batch_id: UUID) -> OneBatch | None:
        whole = one_batch(batch_id)
        return whole and replace(whole, detail=None, tables=(), difference=None)


def test_a_batch_is_shown_as_far_as_it_is_known():
    path = f"/batches/{BATCH_IDS[0]}"
    answer = get(path, Away(bad_morning()))
    assert (answer.status, "db.internal" in answer.body.decode()) == (503, False)
    half = get(path, Half(bad_morning()))
    assert half.status == 200
    assert "this is what Dagster knows" in text_of(half)
    assert f"/runs/{BATCH_IDS[0]}" in list(links_of(half))


NOTHING = ("x", "tables/x", UUID(int=5), "a/b/c", "days/0001-01-01", "days/2026-11-31", "days/x")


@pytest.mark.parametrize("path", [f"/batches/{each}" for each in NOTHING])
def test_what_there_is_not_has_a_page_that_says_so(path: str):
    answer = get(path)
    assert (answer.status, "There is no such page" in text_of(answer)) == (404, True)
    assert "/batches" in list(links_of(answer))


def test_the_style_is_sent_once():
    style = get("/batches/style.css")
    assert style.headers["content-type"].startswith("text/css")
    again = get("/batches/style.css", if_none_match=style.headers["etag"])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("root", ["", "/behind/it"])
def test_what_is_wrong_says_what_to_do_and_leads_to_where_it_is_started(root: str):
    answer = get("/batches?concerns=all", root=root)
    assert list(links_of(answer)).count(f"{root}/automation") == 2, "of sensors and of schedules"
    assert "no answer within 2 s `aggregation-pipeline check` looks at it" in text_of(answer)
    stopped = next(table.name for table in bad_morning(len(NAMES)).tables if table.stopped)
    assert f"{root}/automation" in list(links_of(get(f"/batches/tables/{stopped}", root=root)))


def test_pages_that_wait_for_a_frozen_server_keep_nobody_from_the_first_one():
    thawed, waiting = threading.Event(), []

    class Frozen(Reads):
        def table(self, *_: Any) -> None:
            waiting.append(1)
            thawed.wait(60)

    app = site(Frozen(bad_morning(len(NAMES))))
    threads = [threading.Thread(target=ask, args=(app, "/batches/tables/orders")) for _ in range(4)]
    for each in threads:
        each.start()
    until("all threads to wait", lambda: len(waiting) == 4, 60)
    answer = ask(app, "/batches")
    thawed.set()
    for each in threads:
        each.join()
    assert answer.status == 200


def test_a_table_whose_entry_cannot_be_used_says_why():
    assert "group_by: no such column." in text_of(get(f"/batches/tables/{NAMES[3]}"))
    assert "cannot be used" not in text_of(get(f"/batches/tables/{NAMES[0]}"))
