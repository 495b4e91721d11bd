"""The pages of batches in a real Chromium: in both languages, light and dark, on phones and wide screens."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from axe_core_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from aggregation_pipeline_tests.web.asgi import AsLocal
from aggregation_pipeline_tests.web.pages.mornings import BATCH_IDS, LONG, NAMES, Reads, bad_morning
from aggregation_pipeline_tests.web.pages.site import site
from aggregation_pipeline_tests.web.served import free_port, serving_app
from aggregation_pipeline_tests.web.test_pages import page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
__all__ = ["page"]
PATHS = {
    "morning": "/batches?hours=all&concerns=all",
    "filtered": "/batches?q=nothing&state=late",
    "table": "/batches/tables/orders",
    "names": f"/batches/tables/{quote(NAMES[4], safe='')}",
    "long": f"/batches/tables/{LONG}",
    "batch": f"/batches/{BATCH_IDS[0]}",
    "day": "/batches/days/2026-11-20?table=orders",
    "missing": "/batches/nothing",
}
# On the narrowest screen all that is folded is open.
NARROW, WIDE = 320, 1440
WIDTHS = (NARROW, 768, WIDE)


@pytest.fixture(scope="module")
def base() -> Iterator[str]:
    port = free_port()
    with serving_app(AsLocal(site(Reads(bad_morning(30)), port)), port):
        yield f"http://127.0.0.1:{port}"


# Every page in both languages and both schemes. A scheme changes colours alone, and a language texts alone.
WAYS = [(name, scheme, language) for name in PATHS for scheme, language in (("light", "en"), ("dark", "zh"))]


@pytest.mark.parametrize(("name", "scheme", "language"), WAYS)
def test_everybody_can_use_them(base: str, page: Page, name: str, scheme: str, language: str):
    """axe-core finds nothing, also in what is folded; nothing is cut off; the browser has nothing to complain of."""
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("dialog", lambda dialog: problems.append(dialog.message))
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    page.goto(f"{base}{PATHS[name]}{'&' if '?' in PATHS[name] else '?'}lang={language}")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(f"document.querySelectorAll('details').forEach(each => each.open = {width} < {WIDE})")
        if width in {NARROW, WIDE}:
            found = Axe().run(page)["violations"]
            assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == [], width
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
    # The browser says so of 404, which is meant.
    assert [problem for problem in problems if "status of 404" not in problem] == []


def test_they_can_be_read_by_keyboard(base: str, page: Page):
    page.goto(f"{base}/batches")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#content :focus")).to_be_visible()
    summary = page.get_by_text("The days as a table")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("rowheader", name="2026-11-20")).to_be_visible()


def test_they_are_whole_without_scripts(base: str, page: Page):
    assert page.context.browser is not None
    with page.context.browser.new_context(java_script_enabled=False, locale="en-US") as context:
        still = context.new_page()
        still.goto(f"{base}/batches")
        still.get_by_label("State").select_option("late")
        still.get_by_role("button", name="Filter").click()
        assert "state=late" in still.url
        expect(still.get_by_text("2 of 30 tables")).to_be_visible()
        still.get_by_role("table").get_by_role("link", name="用户 明细").click()
        expect(still.get_by_role("heading", name="用户 明细")).to_be_visible()
        still.get_by_text("The days as a table").click()
        expect(still.get_by_role("rowheader", name="2026-11-20")).to_be_visible()
        still.get_by_role("link", name="中文").click()
        expect(still.get_by_role("heading", name="近期批次")).to_be_visible()


def test_they_are_fit_to_be_printed(base: str, page: Page, tmp_path: Path):
    page.goto(f"{base}/batches")
    page.emulate_media(media="print")
    expect(page.locator("nav").first).to_be_hidden()
    pdf = tmp_path / "batches.pdf"
    page.pdf(path=pdf, format="A4")
    assert pdf.read_bytes().startswith(b"%PDF")
