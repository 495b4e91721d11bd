"""Outputs that do not arrive exactly as they are, and how to ask for them instead.

    FLOAT                        (x * 1e0)            it comes with six digits, which do not always tell it from others
    BIT ((x) | 0) it comes as bytes or as digits, as the server happens to compute it
    TIMESTAMP UNIX_TIMESTAMP(x) in a named zone two instants of the hour that comes twice have one text
    MIN, MAX, COUNT(DISTINCT) c  of UNIX_TIMESTAMP(c) likewise: the server compares those texts

What the server does not call FLOAT, BIT or TIMESTAMP is left alone.
"""

import functools
from collections.abc import Collection, Sequence
from typing import Final

from pymysql.constants import FIELD_TYPE

from aggregation_pipeline.config.sql.tokens import Token, tokenize
from aggregation_pipeline.source.clock import Clock
from aggregation_pipeline.source.mysql.arrow_types import UNFIXED_SCALE
from aggregation_pipeline.source.mysql.instant_expressions import arguments_of, bare, is_instant, spelled
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
    """Return by position, from 0, the form in which an output has to be asked for.

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
            if inner := _of_one_instant(sql, instants):
                forms[place] = functools.partial(_replaced, inner)
            elif field.type_code == FIELD_TYPE.TIMESTAMP:
                forms[place] = _as_seconds
    return forms


def _is_rounded(field: Field) -> bool:
    """Whether it is a FLOAT(M,D): the server shows it with D digits, and so do the files."""
    return field.type_code == FIELD_TYPE.FLOAT and field.scale < UNFIXED_SCALE


def _as_seconds(sql: str) -> str:
    return f"UNIX_TIMESTAMP({sql})"


def _replaced(inner: str, _sql: str) -> str:
    return inner


def _of_one_instant(sql: str, instants: Collection[str]) -> str:
    """`MAX(paid_at)` as the figure of seconds that it has to be, and so MIN and COUNT(DISTINCT ...); empty for anything
    else.
    """
    tokens = bare(tokenize(sql)[0]) if sql else []
    function, arguments = _call(tokens)
    if function == "unix_timestamp" and len(arguments) == 1:
        # MySQL takes the instant that it is the extreme of for a text on the way.
        tokens = bare(arguments[0])
        function, arguments = _call(tokens)
        if function == "count":
            return ""
    if function not in ("min", "max", "count") or len(arguments) != 1:
        return ""
    argument = arguments[0]
    distinct = argument[0].name == "distinct"
    if distinct or argument[0].name == "all":
        argument = argument[1:]
    if not is_instant(bare(argument), instants) or (function == "count" and not distinct):
        return ""
    seconds = f"UNIX_TIMESTAMP({spelled(bare(argument)).strip()})"
    return f"COUNT(DISTINCT {seconds})" if function == "count" else f"{function.upper()}({seconds})"


def _call(tokens: list[Token]) -> tuple[str, list[list[Token]]]:
    """The function and the arguments where all of it is one call; nothing else."""
    if len(tokens) < 4 or tokens[1].text != "(" or tokens[-1].text != ")":
        return "", []
    arguments = arguments_of(tokens, 2)
    whole = sum(map(len, arguments)) + len(arguments) - 1 == len(tokens) - 3
    return (tokens[0].name, arguments) if whole else ("", [])
