"""libyaml and PyYAML read the same: values, places, issues and errors."""

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from aggregation_pipeline.config.yaml import parsing
from aggregation_pipeline.config.yaml.composer import Composer

_PIECES = (
    *"a-{}[],:?|>'\"#!~1%@`é中😀=\\\ufeff\x85\u2028\t\r",
    *("b: ", "key: ", "- ", "\n", "\n  ", "\n    ", ", ", "? ", "|\n", "|-\n", ">\n", " # c", "&x ", "*x", "!!str "),
    *("<<: ", "null", "1.5", "---\n", "...\n", "\\n", "\\ud800", "2020-01-01", "x y", "\r\n", "!t ", "a <> b"),
)


def _read(node: yaml.Node | None) -> object:
    composer = Composer()
    return node and (*composer.compose(node, []), composer.issues)


def _outcome(text: str, *, pure: bool) -> object:
    try:
        return _read(yaml.compose(text, Loader=yaml.SafeLoader) if pure else parsing.parse(text))
    except yaml.YAMLError as error:
        return str(error)


@given(st.lists(st.sampled_from(_PIECES), min_size=1, max_size=16).map("".join))
@example("tables:\n  a: {where: d > '2020', n: [1, ~, no, 'yes', 1.5]}\n  中文: &x\n    text: |\n      é😀\n  b: *x\n")
@example("---")
@example("a: |#\n")
@example("a: [b?c]")
@example("a: !")
def test_the_fast_parser_reads_what_the_slow_one_reads(text: str):
    assert _outcome(text, pure=False) == _outcome(text, pure=True)


def test_libyaml_reads_an_ordinary_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(yaml, "compose", None)
    node = parsing.parse("tables:\n  users: {where: status != 'draft', limit: 5}  # a comment\n")
    assert isinstance(node, yaml.MappingNode)


def test_deep_nesting_is_refused_and_not_a_crash():
    with pytest.raises(RecursionError):
        parsing.parse("a: " + "[" * 100_000 + "]" * 100_000)
