"""Lets a run use pyarrow without pandas, which nothing in a run needs: it takes 47 MiB and up to two seconds.

pyarrow imports pandas, where it is installed, at its first conversion between Python and Arrow: a list, a number, a
NumPy array. It does so twice. Its Python part wants to know whether an object is a pandas one, which is no question
while pandas is not loaded. Its C++ part keeps pandas' missing values and its types of time, once and for all; these are
given to it from pandas' extension modules, which are small. Should anybody import pandas later, it is imported as
always, and pyarrow's Python part looks again.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import pyarrow as pa

_PANDAS = "pandas"


def leave_pandas_out(*, for_good: bool = False) -> None:
    """Make pyarrow's first conversion without pandas, unless pandas is loaded already or is not installed.

    To be called before anything is converted; a second call changes nothing. With `for_good`, pyarrow's C++ part gets
    nothing of pandas, which saves 16 MiB: it then makes no array of a list with pandas' own missing values, even if
    somebody imports pandas later. That is for commands, where only formats could do so.
    """
    if _PANDAS in sys.modules or any(isinstance(finder, _LaterPandas) for finder in sys.meta_path):
        return
    spec = importlib.util.find_spec(_PANDAS)
    if spec is None:
        return
    package = ModuleType(_PANDAS)
    package.__path__ = list(spec.submodule_search_locations or ())
    later = _LaterPandas(package)
    sys.meta_path.insert(0, later)
    _ = pa.lib._pandas_api.have_pandas  # noqa: SLF001 - it remembers the answer; a test of ours names it
    if for_good:
        pa.scalar(0)
        later.refuses = False
        return
    later.refuses = False
    sys.modules[_PANDAS] = package
    try:
        _give_to_arrow(package)
    except ImportError:
        # A release of pandas that keeps them elsewhere: it is imported whole, which only takes longer.
        del sys.modules[_PANDAS]
        importlib.import_module(_PANDAS)
    else:
        del sys.modules[_PANDAS]


def _give_to_arrow(package: ModuleType) -> None:
    """Convert a number while `package` stands for pandas, with all that Arrow's C++ looks up in it."""
    from pandas._libs.missing import NA
    from pandas._libs.tslibs import NaT, Timedelta, Timestamp
    from pandas._libs.tslibs.offsets import DateOffset

    found = {"NA": NA, "NaT": NaT, "Timedelta": Timedelta, "Timestamp": Timestamp, "DateOffset": DateOffset}
    vars(package).update(found)
    pa.scalar(0)


class _LaterPandas(MetaPathFinder):
    """Notices the first import of pandas, and tells pyarrow. While it `refuses`, pandas counts as not installed.

    `package` stood for pandas: what was loaded into it goes into the real one.
    """

    def __init__(self, package: ModuleType) -> None:
        self._package = package
        self.refuses = True

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find pandas by the other finders; modules of other names are left to them."""
        if fullname != _PANDAS:
            return None
        if self.refuses:
            raise ImportError(_PANDAS)
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(_PANDAS)
        if spec is not None and spec.loader is not None:
            spec.loader = _Telling(spec.loader, self._package)
        return spec


class _Telling(Loader):
    """Loads pandas as `inner` does, and makes pyarrow look for it again."""

    def __init__(self, inner: Loader, package: ModuleType) -> None:
        self._inner = inner
        self._package = package

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module."""
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code, and leave the module with the loader that it always has."""
        module.__loader__ = self._inner
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        found = {name: value for name, value in vars(self._package).items() if not name.startswith("__")}
        vars(module).update(found)
        self._inner.exec_module(module)
        _ = pa.lib._pandas_api.pd  # noqa: SLF001 - as above
