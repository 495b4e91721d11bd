"""Puts a changed module in place of one that others have imported: its functions get new code, its constants values."""

import ast
import inspect
import sys
from types import FunctionType, ModuleType


def graft(module: ModuleType, tree: ast.Module) -> None:
    """Let `module` do what `tree` says, also for modules that have imported its functions and classes."""
    fresh = ModuleType(module.__name__)
    fresh.__dict__.update({name: vars(module)[name] for name in ("__file__", "__package__", "__spec__")})
    exec(compile(tree, str(module.__file__), "exec"), fresh.__dict__)  # noqa: S102 - the project's own source
    for name, new in vars(fresh).items():
        old = vars(module).get(name)
        if name.startswith("__"):
            continue
        if isinstance(new, type) and isinstance(old, type) and new.__module__ == module.__name__:
            for attribute, value in vars(new).items():
                _move(vars(old).get(attribute), value, module)
        elif isinstance(new, FunctionType):
            _move(old, new, module)
        elif not isinstance(new, ModuleType) and repr(new) != repr(old):
            _rebind(name, old, new)


def _move(old: object, new: object, module: ModuleType) -> None:
    if isinstance(old, property) and isinstance(new, property):
        old, new = old.fget, new.fget
    if not callable(old) or not callable(new):
        return
    # Behind a decorator such as contextmanager.
    old, new = inspect.unwrap(old), inspect.unwrap(new)
    if isinstance(old, FunctionType) and isinstance(new, FunctionType) and new.__code__.co_filename == module.__file__:
        old.__code__, old.__defaults__, old.__kwdefaults__ = new.__code__, new.__defaults__, new.__kwdefaults__


def _rebind(name: str, old: object, new: object) -> None:
    """Set a constant in every module that has imported it."""
    for other in list(sys.modules.values()):
        if getattr(other, "__dict__", {}).get(name) is old:
            setattr(other, name, new)
