"""Lets a command start without libraries that other libraries import for cases which hardly any run meets.

Who takes a name from such a library gets a stand-in for it, which imports the library when it is used.
"""

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import ModuleType
from typing import Any, Final

# Makes and migrates Dagster's tables. 9 MiB, and up to a tenth of a second.
_ALEMBIC: Final = {
    "alembic": (),
    "alembic.command": ("downgrade", "stamp", "upgrade"),
    "alembic.config": ("Config",),
    "alembic.runtime.environment": ("EnvironmentContext",),
    "alembic.runtime.migration": ("MigrationContext",),
    "alembic.script": ("ScriptDirectory",),
}
# Encrypts a password for MySQL where the connection is not encrypted. 7 MiB.
_CRYPTOGRAPHY: Final = {
    "cryptography.hazmat.backends": ("default_backend",),
    "cryptography.hazmat.primitives": ("hashes", "serialization"),
    "cryptography.hazmat.primitives.asymmetric": ("padding",),
}


def import_late() -> None:
    """Import the modules that take names from these libraries, without the libraries."""
    _import_with_stand_ins("dagster_postgres", _ALEMBIC)
    _import_with_stand_ins("pymysql", _CRYPTOGRAPHY)


def _import_with_stand_ins(taker: str, taken: Mapping[str, Sequence[str]]) -> None:
    library = next(iter(taken)).partition(".")[0]
    if library in sys.modules or importlib.util.find_spec(library) is None:
        return
    modules = {name: ModuleType(name) for name in taken}
    for name, module in modules.items():
        vars(module).update({each: _StandIn(name, each) for each in taken[name]})
        # `import alembic.config` looks for the module in its package.
        if (package := modules.get(name.rpartition(".")[0])) is not None:
            setattr(package, name.rpartition(".")[2], module)
    sys.modules.update(modules)
    try:
        # A release that takes other names will import the library as always, which only takes longer.
        with suppress(ImportError):
            importlib.import_module(taker)
    finally:
        for name in modules:
            del sys.modules[name]


class _StandIn:
    """Stands for a function, a class or a module of a library."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def _real(self) -> Any:  # noqa: ANN401 - whatever the library has there
        module = importlib.import_module(self._module)
        if not hasattr(module, self._name):
            importlib.import_module(f"{self._module}.{self._name}")
        return getattr(module, self._name)

    def __call__(self, *arguments: object, **named: object) -> object:
        return self._real()(*arguments, **named)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real(), name)
