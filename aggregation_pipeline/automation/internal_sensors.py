"""What marks sensors that are no concern of an operator's: a name, a tag and a first line by which they can be told
from the others.
"""

from typing import Final

from aggregation_pipeline.runs.tags import INTERNAL_TAG

# batch_jobs/reconcile.py spells its own, since other processes look for it.
PREFIX: Final = "internal_"
TAGS: Final = {INTERNAL_TAG: "true"}


def described(words: str) -> str:
    """The description of such a sensor."""
    return f"Internal, leave it on: {words}"
