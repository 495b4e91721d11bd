"""What an expression is for: it decides what the expression may hold."""

from typing import Final, Literal

Role = Literal["group key", "field", "argument", "condition", "group condition", "aggregate", "order"]
DIRECTIONS: Final = ("ASC", "DESC")
