"""What is measured of this project where there is no compiler: numpy and Arrow do what the small C modules do."""

import sys
from collections.abc import Callable
from typing import Any, Final

_COMPILED: Final = ("aggregation_pipeline.native._kernels", "aggregation_pipeline.native._rows")


def extract(**given: Any) -> Callable[[], int]:
    """Measure `ours.extract` without them."""
    _hide()
    from benchmarks import ours

    return ours.extract(**given)


def export(**given: Any) -> Callable[[], int]:
    """Measure `ours.export` without them."""
    _hide()
    from benchmarks import ours

    return ours.export(**given)


def _hide() -> None:
    # None in sys.modules makes an import fail as if there were no such file.
    sys.modules.update(dict.fromkeys(_COMPILED))  # type: ignore[arg-type]
