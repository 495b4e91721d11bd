"""What rows may hold of texts that other programs wrote."""

import math

import pytest

from aggregation_pipeline.runs.batch_job_text import first_lines, shorten, storable_json, without_secrets


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("mysql://shop:hunter2@db/shop refused", "mysql://shop:***@db/shop refused"),
        ("password=hunter2, user=shop", "password=***, user=shop"),
        ("{'AccessKeySecret': 'abc'}", "{'AccessKeySecret': ***}"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("the salt is grains", "the salt is ***"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_hidden_by_their_value_and_by_their_name(text: str, stored: str):
    assert without_secrets(text, ["grains", ""]) == stored


def test_json_loses_what_postgresql_refuses_and_keeps_the_rest():
    value = {"a\x00": ["\ud800", math.nan, math.inf, 1.5, True, None, 7], 2: ("x", {"y": object})}
    assert storable_json(value) == {
        "a\N{REPLACEMENT CHARACTER}": ["\N{REPLACEMENT CHARACTER}", None, None, 1.5, True, None, 7],
        "2": ["x", {"y": "<class 'object'>"}],
    }


def test_a_long_text_ends_with_an_ellipsis_and_a_short_one_stays():
    assert shorten("twelve chars", 12) == "twelve chars"
    assert shorten("twelve chars and more", 8) == "twelve…"


def test_an_error_is_cut_by_lines_and_by_characters():
    assert first_lines("\n".join(f"line {number}  " for number in range(20)), lines=2) == "line 0\nline 1"
    assert len(first_lines("x" * 5_000)) == 2_000
