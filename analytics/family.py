"""A folder as a registry: what lies in it is a member, under its file's name."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any


def members(package: str, function: str, *, all: bool = True) -> dict[str, Callable[..., Any]]:
    """`function` of every module in `package`, keyed by the module's name with hyphens for underscores.

    A module whose name starts with an underscore is a helper of its siblings and no member. Raises `AttributeError`
    where a member lacks `function`; unless `all` need not have it: then those that do.
    """
    folder = import_module(package).__path__
    names = sorted(module.name for module in iter_modules(folder) if not module.name.startswith("_"))
    modules = {name.replace("_", "-"): import_module(f"{package}.{name}") for name in names}
    return {name: getattr(module, function) for name, module in modules.items() if all or hasattr(module, function)}
