"""The definitions that an attack would use."""

from dagster import Definitions, asset, job, op


@asset
def victim() -> None:
    """An asset that nobody materializes."""


@op
def nothing() -> None:
    """An op that ends at once."""


@job
def quick() -> None:
    """A job that only people may launch."""
    nothing()


defs = Definitions(assets=[victim], jobs=[quick])
