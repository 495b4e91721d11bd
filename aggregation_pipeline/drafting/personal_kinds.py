"""The kinds of personal data that a draft masks, and by which rule."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from aggregation_pipeline.config.mask_options import MaskRule

Kind = Literal[
    "phone",
    "email",
    "id_card",
    "bank_card",
    "openid",
    "name",
    "address",
    "birthday",
    "contact",
    "ip",
    "free_text",
    "secret",
]


@dataclass(frozen=True)
class Personal:
    """What personal data a column holds, and what said so: its name or comment, its values, or some of them."""

    kind: Kind
    said_by: Literal["by name", "by values", "by some values"] = "by name"


# What is enough to recognize somebody stays. An openid only joins rows, which its hash does too.
MASKS: Final[Mapping[Kind, MaskRule]] = {
    "phone": "partial",
    "email": "partial",
    "id_card": "partial",
    "bank_card": "partial",
    "openid": "hash",
    "name": "partial",
    "address": "partial",
    "birthday": "drop",
    "contact": "partial",
    "ip": "partial",
    "free_text": "partial",
    "secret": "drop",
}
