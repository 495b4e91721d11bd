"""The compiled kernels, where they were built.

`kernels.c` and `rows.c` are compiled when the package is installed. Without a compiler the installation goes on without
them, and whoever uses a kernel has the same in numpy or Arrow: slower, with the same results.
"""

from types import ModuleType
from typing import Final

__all__ = ["ALL_COMPILED", "COMPILED", "compiled", "joiner"]

try:
    import aggregation_pipeline.native._kernels as compiled
except ImportError:
    compiled = None  # type: ignore[assignment]
joiner: ModuleType | None
try:
    import aggregation_pipeline.native._rows as joiner
except ImportError:
    joiner = None

COMPILED: Final = compiled is not None
ALL_COMPILED: Final = COMPILED and joiner is not None
