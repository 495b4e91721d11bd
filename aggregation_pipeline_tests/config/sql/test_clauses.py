"""Which words of an expression begin a clause of their own."""

import pytest

from aggregation_pipeline.config.sql.expressions import read_expression
from aggregation_pipeline.config.sql.in_use import using
from aggregation_pipeline.config.sql.postgresql import POSTGRESQL
from aggregation_pipeline.config.sql.tokens import ExpressionError


@pytest.mark.parametrize("text", ["a IS DISTINCT FROM b", "a is not distinct from b AND c", "NOT a IS DISTINCT FROM 1"])
def test_what_compares_null_too_is_taken_where_the_server_has_it(text: str):
    with using(POSTGRESQL):
        assert read_expression(text, "condition") == text
        for other in ("a DISTINCT FROM b", "IS DISTINCT b", "a IS DISTINCT FROM b FROM c"):
            with pytest.raises(ExpressionError, match="does not belong"):
                read_expression(other, "condition")
    with pytest.raises(ExpressionError, match="a <=> b"):
        read_expression(text, "condition")
