"""Outputs that the server does not send exactly, and the form in which they are asked for instead.

    output                         asked for as          why
    FLOAT                          (x * 1e0)             it is sent with six digits, which do not tell all values apart
    BIT                            ((x) | 0)             it is sent as bytes or as digits, depending on the plan
    TIMESTAMP, named zone          UNIX_TIMESTAMP(x)     in the hour that comes twice, two instants have one text
    MIN, MAX, COUNT(DISTINCT)      of UNIX_TIMESTAMP(c)  the server compares those texts
      of a TIMESTAMP, named zone

Outputs that the server does not describe as FLOAT, BIT or TIMESTAMP are left alone.
"""

import functools
from collections.abc import Collection, Sequence
from typing import Final

from pymysql.constants import FIELD_TYPE

from aggregation_pipeline.config.sql.tokens import Token, tokenize
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.arrow_types import UNFIXED_SCALE
from aggregation_pipeline.source.mysql.instant_expressions import (
    arguments_of,
    is_instant,
    to_sql_text,
    without_brackets,
)
from aggregation_pipeline.source.mysql.query import DatasetQuery, Form
from aggregation_pipeline.source.mysql.row_protocol import Field


def _as_double(sql: str) -> str:
    # `+ 0e0` would make 0 of -0.
    return f"({sql} * 1e0)"


def _as_integer(sql: str) -> str:
    # `+ 0` would be signed on MySQL 5.6.
    return f"(({sql}) | 0)"


_FORMS: Final[dict[int, Form]] = {FIELD_TYPE.FLOAT: _as_double, FIELD_TYPE.BIT: _as_integer}


def exact_forms(
    query: DatasetQuery, fields: Sequence[Field], clock: Clock, instants: Collection[str]
) -> dict[int, Form]:
    """Return the forms in which outputs have to be asked for, by position from 0.

    Args:
        query: as it was probed.
        fields: what the server says of its outputs.
        clock: the session's.
        instants: the source's TIMESTAMP columns, in lower case.
    """
    forms = {
        place: _FORMS[field.type_code]
        for place, field in enumerate(fields)
        if field.type_code in _FORMS and not _is_rounded(field)
    }
    if clock.is_named:
        outputs = query.outputs or [("", "")] * len(fields)
        for place, (field, (sql, _)) in enumerate(zip(fields, outputs, strict=True)):
            if inner := _over_seconds(sql, instants):
                forms[place] = functools.partial(_replaced, inner)
            elif field.type_code == FIELD_TYPE.TIMESTAMP:
                forms[place] = _as_seconds
    return forms


def _is_rounded(field: Field) -> bool:
    """Whether it is a FLOAT(M,D), which the server and the files show with D digits."""
    return field.type_code == FIELD_TYPE.FLOAT and field.scale < UNFIXED_SCALE


def _as_seconds(sql: str) -> str:
    return f"UNIX_TIMESTAMP({sql})"


def _replaced(inner: str, _sql: str) -> str:
    return inner


def _over_seconds(sql: str, instants: Collection[str]) -> str:
    """Return MIN, MAX or COUNT(DISTINCT) of a TIMESTAMP column as SQL over its seconds; empty for anything else."""
    tokens = without_brackets(tokenize(sql)[0]) if sql else []
    function, arguments = _call(tokens)
    if function == "unix_timestamp" and len(arguments) == 1:
        # MySQL converts the instants to text before it takes their extreme.
        tokens = without_brackets(arguments[0])
        function, arguments = _call(tokens)
        if function == "count":
            return ""
    if function not in ("min", "max", "count") or len(arguments) != 1:
        return ""
    argument = arguments[0]
    distinct = argument[0].name == "distinct"
    if distinct or argument[0].name == "all":
        argument = argument[1:]
    if not is_instant(without_brackets(argument), instants) or (function == "count" and not distinct):
        return ""
    seconds = f"UNIX_TIMESTAMP({to_sql_text(without_brackets(argument)).strip()})"
    return f"COUNT(DISTINCT {seconds})" if function == "count" else f"{function.upper()}({seconds})"


def _call(tokens: list[Token]) -> tuple[str, list[list[Token]]]:
    """The function and its arguments, if the tokens are one call; otherwise both are empty."""
    if len(tokens) < 4 or tokens[1].text != "(" or tokens[-1].text != ")":
        return "", []
    arguments = arguments_of(tokens, 2)
    whole = sum(map(len, arguments)) + len(arguments) - 1 == len(tokens) - 3
    return (tokens[0].name, arguments) if whole else ("", [])
