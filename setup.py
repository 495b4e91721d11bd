"""The part of the build that pyproject.toml has no stable words for: two small extension modules in C.

They are optional: without a compiler the package is installed without them, and numpy and Arrow do the same more
slowly. They use Python's limited API of 3.11, so one wheel serves 3.11 and later.
"""

import sys
from pathlib import Path

from setuptools import Extension, setup

# setuptools silently leaves out a file whose link leads nowhere, and the package could not make its tables.
_LINKS = [path for path in Path("aggregation_pipeline").rglob("*") if path.is_symlink()]
if missing := [str(path) for path in _LINKS if not path.exists()]:
    sys.exit(
        f"Links that lead nowhere: {', '.join(missing)}. Build from the whole repository, with sql/ and dagster.yaml"
    )

setup(
    ext_modules=[
        Extension(
            f"aggregation_pipeline.native._{name}",
            [f"aggregation_pipeline/native/{name}.c"],
            extra_compile_args=["-O3", "-Wall", "-Wextra"],
            py_limited_api=True,
            optional=True,
        )
        for name in ("kernels", "rows")
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
