"""What marks sensors that operators need not care about: the beginning of the name, a tag, and a first line."""

from typing import Final

from aggregation_pipeline.runs.tags import INTERNAL_TAG

# batch_jobs/mirror_cursor.py has the name of the reconciling sensor, which other processes look for.
PREFIX: Final = "internal_"
TAGS: Final = {INTERNAL_TAG: "true"}


def description(text: str) -> str:
    """The description of such a sensor, which does what `text` says."""
    return f"Internal, leave it on: {text}"
