"""A page and its Chinese translation say the same: headings, tables, code blocks and links correspond one to one."""

import re
from pathlib import Path

import pytest
import yaml

from aggregation_pipeline_tests.support.markdown import CODE_SPAN, code_blocks, headings, links, prose, read, tables
from aggregation_pipeline_tests.support.paths import REPOSITORY

SUFFIX = ".zh-CN.md"
TRANSLATED = sorted([*REPOSITORY.glob(f"*{SUFFIX}"), *REPOSITORY.glob(f"docs/*{SUFFIX}")])
PAGES = [pytest.param(page.with_name(page.name.replace(SUFFIX, ".md")), page, id=page.name) for page in TRANSLATED]
COMMENT = re.compile(r"\s+#\s.*$", re.MULTILINE)
DOCSTRING = re.compile(r'""".*?"""', re.DOTALL)


def shown(cell: str) -> list[str]:
    """What stands in code marks: names, keys and values, which no translation changes."""
    return sorted(CODE_SPAN.findall(cell))


def without_words(language: str, code: str) -> object:
    """A block without what is written for people: comments and docstrings."""
    if language in {"yaml", "yml"}:
        return yaml.safe_load(code)
    return COMMENT.sub("", DOCSTRING.sub('""""""', code)).split()


def test_the_pages_that_users_read_are_translated():
    names = {page.name for page in TRANSLATED}
    read_by_users = {
        "README",
        "configuration",
        "operations",
        "files",
        "masks",
        "alerts",
        "oss",
        "batch_jobs",
        "http",
        "access",
        "migration",
        "deployment",
        "dagster_projects",
        "servers",
        "workers",
    }
    assert names == {f"{name}{SUFFIX}" for name in read_by_users}


@pytest.mark.parametrize(("english", "chinese"), PAGES)
def test_both_languages_have_the_same_headings(english: Path, chinese: Path):
    outlines = [[(level, shown(text)) for level, text in headings(read(page))] for page in (english, chinese)]
    assert outlines[0] == outlines[1]


@pytest.mark.parametrize(("english", "chinese"), PAGES)
def test_both_languages_have_the_same_tables(english: Path, chinese: Path):
    """Row by row: the names in the first column, and what stands in code marks in the last, which holds defaults."""
    first, second = tables(read(english)), tables(read(chinese))
    assert [len(table) for table in first] == [len(table) for table in second]
    for ours, theirs in zip(first, second, strict=True):
        assert [len(row) for row in ours] == [len(row) for row in theirs]
        assert [shown(row[0]) for row in ours] == [shown(row[0]) for row in theirs]
        if len(ours[0]) > 2:
            assert [shown(row[-1]) for row in ours] == [shown(row[-1]) for row in theirs]


@pytest.mark.parametrize(("english", "chinese"), PAGES)
def test_both_languages_show_the_same_code(english: Path, chinese: Path):
    first, second = code_blocks(read(english)), code_blocks(read(chinese))
    assert [language for language, _ in first] == [language for language, _ in second]
    for (language, ours), (_, theirs) in zip(first, second, strict=True):
        if language:
            assert without_words(language, ours) == without_words(language, theirs)
        else:
            # A picture of folders: its words are translated, the names that begin its lines are not.
            assert [line.split()[:1] for line in ours.splitlines()] == [
                line.split()[:1] for line in theirs.splitlines()
            ]


@pytest.mark.parametrize(("english", "chinese"), PAGES)
def test_both_languages_lead_to_the_same_pages(english: Path, chinese: Path):
    """A translated page leads to the translation where there is one, and to the English page where there is none."""
    ours = {path.resolve() for path, _ in links(english)} - {chinese.resolve()}
    theirs = {path.resolve() for path, _ in links(chinese)} - {english.resolve()}
    translated = {path.with_name(path.name.replace(SUFFIX, ".md")).resolve(): path.resolve() for path in TRANSLATED}
    assert {translated.get(path, path) for path in ours} == theirs


@pytest.mark.parametrize(("english", "chinese"), PAGES)
def test_each_language_offers_the_other_at_the_top(english: Path, chinese: Path):
    assert f"**English** | [中文]({chinese.name})" in read(english)[:300]
    assert f"[English]({english.name}) | **中文**" in read(chinese)[:300]


def test_a_readme_is_read_in_five_minutes():
    lengths = {page.name: len(read(page).splitlines()) for page in REPOSITORY.glob("README*.md")}
    assert {name for name, length in lengths.items() if length > 150} == set()


def test_chinese_pages_are_chinese():
    """Prose in which few characters are Chinese was forgotten when the English page changed."""
    for page in TRANSLATED:
        text = prose(read(page))
        assert len(re.findall(r"[\u4e00-\u9fff]", text)) > len(re.findall(r"\b[a-z]{3,}\b", text)), page.name
