"""The lexer that reads an expression as MySQL does."""

from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.config.sql.dialect import unquote
from aggregation_pipeline.config.sql.tokens import quote, tokenize


@given(st.text())
def test_any_name_in_backticks_is_one_token_and_comes_back_whole(name: str):
    assert unquote(quote(name)) == name
    if name.isprintable() and name:
        tokens, clean = tokenize(quote(name))
        assert [token.kind for token in tokens] == ["quoted"]
        assert clean == quote(name)
