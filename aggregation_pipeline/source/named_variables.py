"""The variables that messages about a source name."""

import contextlib
from collections.abc import Iterator

from aggregation_pipeline.config.sources import with_variables_of
from aggregation_pipeline.errors import PipelineError


@contextlib.contextmanager
def named_variables(source: str | None) -> Iterator[None]:
    """Let errors name the variables of a source by name, DB_SHOP_HOST for DB_HOST; None changes nothing."""
    try:
        yield
    except PipelineError as error:
        if source is not None:
            error.args = (with_variables_of(source, str(error)), *error.args[1:])
        raise
