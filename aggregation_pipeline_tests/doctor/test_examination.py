"""Subjects side by side: one that crashes is a line, one that hangs costs its time, and no line holds a secret."""

import threading
from collections.abc import Iterator

from aggregation_pipeline.doctor.examination import examine
from aggregation_pipeline.doctor.findings import Case
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.source.findings import Finding, failure, ok

CASE = Case(Settings.model_validate({"dagster_pg_url": "postgresql://user:canary-secret@db/dagster"}), None)


def lines(findings: list[Finding]) -> list[tuple[str, str, str, str]]:
    return [(each.subject, each.name, each.status, each.text) for each in findings]


def test_what_was_found_before_a_crash_stays_and_no_word_of_it_is_told():
    def crashing(_case: Case) -> Iterator[Finding]:
        yield ok("first", "well")
        raise KeyError("a value of a cell")

    def refused(_case: Case) -> Iterator[Finding]:
        yield ok("first", "well")
        raise SourceError("the server refuses it")

    assert lines(examine(CASE, {"a": crashing, "b": refused})) == [
        ("a", "first", "ok", "well"),
        ("a", "stopped", "failure", "unexpected KeyError; what follows it was not looked at"),
        ("b", "first", "ok", "well"),
        ("b", "stopped", "failure", "the server refuses it"),
    ]


def test_one_that_hangs_keeps_nobody_waiting_longer_than_its_time():
    ended = threading.Event()

    def hanging(_case: Case) -> Iterator[Finding]:
        yield ok("first", "well")
        ended.wait(300)

    def quick(_case: Case) -> Iterator[Finding]:
        yield ok("only", "well")

    found = lines(examine(CASE, {"slow": hanging, "quick": quick}, seconds=0.2))
    ended.set()
    assert found == [
        ("slow", "first", "ok", "well"),
        ("slow", "stopped", "failure", "no answer within 0.2 s; the rest was not looked at"),
        ("quick", "only", "ok", "well"),
    ]


def test_all_are_examined_at_the_same_time():
    met = threading.Barrier(3, timeout=30)

    def meeting(_case: Case) -> Iterator[Finding]:
        met.wait()
        yield ok("met", "well")

    assert len(examine(CASE, dict.fromkeys("abc", meeting))) == 3


def test_no_line_holds_a_secret():
    def telling(_case: Case) -> Iterator[Finding]:
        yield failure("url", "postgresql://user:canary-secret@db/dagster", "not canary-secret")

    (found,) = examine(CASE, {"a": telling})
    assert "canary-secret" not in found.text + found.remedy
