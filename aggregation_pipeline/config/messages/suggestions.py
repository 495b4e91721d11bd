"""The right name that a wrong one is nearest to."""

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic.alias_generators import to_snake
from rapidfuzz import process
from rapidfuzz.distance import OSA, JaroWinkler

# What other programs, and people, call the values of our keys and variables; written as `_simple` leaves them.
_OTHER_WORDS: Final = {
    word: name
    for name, words in {
        "excel": "xlsx xls xlsm 表格",
        "gb18030": "gbk gb2312 cp936 936 ansi gb",
        "utf-8-sig": "utf8bom utf8withbom bom utf8sig",
        "utf-8": "unicode",
        "lines": "ndjson jsonl jsonlines ldjson",
        "zh": "中文 cn chinese zhcn zhhans 简体中文",
        "en": "english enus engb 英文",
        "REQUIRED": "true on yes 1 require required",
        "DISABLED": "false off no 0 disable none",
        "PREFERRED": "prefer allow",
        "VERIFY_IDENTITY": "verifyfull full strict",
        "ASC": "升序 ascending 正序",
        "DESC": "降序 descending 倒序",
        "where": "filter filters condition conditions",
        "select_fields": "columns fields detail",
        "order_by": "sort sortby",
        "schedule": "cron crontab",
    }.items()
    for word in words.split()
}
_SHORT_NAME: Final = re.compile(r"[\u3400-\u9fff]{2,3}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question that names the nearest right name, or nothing where none is near."""
    found = nearest_name(word, known)
    return f" Was {found} meant?" if found else ""


def nearest_name(word: str, known: Iterable[str]) -> str:
    """The nearest right name; empty where none is near."""
    simple = {_simple(name): name for name in known}
    if (other := _OTHER_WORDS.get(_simple(word))) in simple.values():
        return str(other)
    match = process.extractOne(_simple(word), simple.keys(), scorer=_likeness, score_cutoff=0.75)
    return simple[match[0]] if match else _of_chinese(word, simple.values())


def _simple(name: str) -> str:
    return re.sub(r"[\s_-]", "", to_snake(name)).casefold()


def _likeness(word: str, other: str, **_: Any) -> float:  # noqa: ANN401  # rapidfuzz's own protocol
    """Jaro-Winkler sees `select` in `select_fields`; the edit distance sees that `cvs` is `csv` with two letters
    changed round.
    """
    beginning = JaroWinkler.similarity(word, other) if word[:1] == other[:1] else 0.0
    return max(beginning, OSA.normalized_similarity(word, other) + 0.1)


def _of_chinese(word: str, known: Iterable[str]) -> str:
    """Two or three characters are a whole name in Chinese, so one wrong is half of it: where just one name is so near,
    it is meant.
    """
    if not _SHORT_NAME.fullmatch(word):
        return ""
    near = [name for name in known if OSA.distance(word, name) == 1]
    return near[0] if len(near) == 1 else ""
