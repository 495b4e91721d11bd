"""Load the configuration and the code once, in a process apart, to see whether the code server could.

    python -m aggregation_pipeline.services.trial_load MODULE NAME [--every-entry]

exits with 0 if the definitions that MODULE has under NAME can be loaded, and, with the option, no entry has a mistake.
Otherwise it prints why not.
"""

import importlib
import sys
from typing import Final

from dagster import Definitions

from aggregation_pipeline.project import load_project
from aggregation_pipeline.runs.redaction import redacted
from aggregation_pipeline.settings.base import load_settings

EVERY_ENTRY: Final = "--every-entry"
# The supervisor reads it only when this process has ended, so it has to fit into a pipe.
_LONGEST_REASON: Final = 2000


def _main() -> None:
    module, name, *options = sys.argv[1:]
    try:
        if EVERY_ENTRY in options:
            # A mistake in one entry would stop its table only. But it works with what was loaded before.
            load_project(load_settings())
        Definitions.validate_loadable(getattr(importlib.import_module(module), name)())
    except Exception as error:  # noqa: BLE001 - whatever it is, the code server would have it too
        # Dagster's own errors are about the configuration here.
        of_dagster = type(error).__module__.partition(".")[0] == "dagster"
        sys.stdout.write((str(error) if of_dagster else str(redacted(error)))[:_LONGEST_REASON])
        sys.exit(1)


if __name__ == "__main__":
    _main()
