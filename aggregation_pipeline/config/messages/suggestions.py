"""Suggests the right name for a wrong one."""

import re
from collections.abc import Collection, Iterable
from typing import Final

from pydantic.alias_generators import to_snake

# Words of other programs, and of people, for our keys and values; written as `_normalize` returns them.
_SYNONYMS: Final = {
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
    """` Was users meant?`, with the nearest right name; empty if none is near."""
    found = nearest_name(word, known)
    return f" Was {found} meant?" if found else ""


def existing_names(word: str, known: Collection[str]) -> str:
    """`there are users, orders. Was users meant?`, for a name that is not among them."""
    suggestion = did_you_mean(word, known)
    return f"there are {', '.join(known)}{'.' if suggestion else ''}{suggestion}"


def nearest_name(word: str, known: Iterable[str]) -> str:
    """The nearest right name; empty if none is near."""
    normalized = {_normalize(name): name for name in known}
    if (synonym := _SYNONYMS.get(_normalize(word))) in normalized.values():
        return str(synonym)
    from rapidfuzz import process

    match = process.extractOne(_normalize(word), normalized.keys(), scorer=_similarity, score_cutoff=0.75)
    return normalized[match[0]] if match else _nearest_chinese(word, normalized.values())


def _normalize(name: str) -> str:
    return re.sub(r"[\s_-]", "", to_snake(name)).casefold()


def _similarity(word: str, other: str, **_options: object) -> float:
    """0 for different words, 1 and more for near ones.

    Jaro-Winkler finds `select` in `select_fields`; the edit distance finds that `cvs` is `csv` with letters swapped.
    """

    from rapidfuzz.distance import OSA, JaroWinkler

    beginning = JaroWinkler.similarity(word, other) if word[:1] == other[:1] else 0.0
    return max(beginning, OSA.normalized_similarity(word, other) + 0.1)


def _nearest_chinese(word: str, known: Iterable[str]) -> str:
    """The only name that differs in one character. A Chinese name has two or three, so one is too much for a ratio."""
    if not _SHORT_NAME.fullmatch(word):
        return ""
    from rapidfuzz.distance import OSA

    near = [name for name in known if OSA.distance(word, name) == 1]
    return near[0] if len(near) == 1 else ""
