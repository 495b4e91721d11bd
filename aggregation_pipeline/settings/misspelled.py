"""Variables that nobody reads and whose names are close to one of ours."""

import functools
import logging
from collections.abc import Iterable

from aggregation_pipeline.config.sources import split_variable, variables_of
from aggregation_pipeline.settings.environment import names_of_set_variables
from aggregation_pipeline.settings.log_once import log_once
from aggregation_pipeline.settings.messages import misspelled_variables
from aggregation_pipeline.settings.value_files import SUFFIX, with_files

_log = logging.getLogger(__name__)


def warn_of_misspelled(fields: Iterable[str], sources: Iterable[str] | None = None) -> None:
    """Log them; the arguments are those of `misspelled`."""
    known = None if sources is None else tuple(sources)
    _warn(tuple(names_of_set_variables()), tuple(fields), known)


def misspelled(names: Iterable[str], fields: Iterable[str], sources: Iterable[str] | None = None) -> dict[str, str]:
    """Those of `names`, in capitals, each with the variable that was probably meant.

    Args:
        names: of variables that are set.
        fields: of our variables, in small letters.
        sources: those by name that the project has. None: they are not known yet, so nothing is said of variables that
            may be those of a source.
    """
    if sources is None:
        names = [name for name in names if split_variable(name.removesuffix(SUFFIX)) is None]
    known = [*fields, *(variable for source in sources or () for variable in variables_of(source))]
    return misspelled_variables(names, with_files(known))


@functools.cache
def _warn(names: tuple[str, ...], fields: tuple[str, ...], sources: tuple[str, ...] | None) -> None:
    for name, meant in misspelled(names, fields, sources).items():
        log_once(
            _log,
            logging.WARNING,
            f"The environment (or .env) sets {name}, which has no meaning here. Was {meant} meant?",
        )
