"""Plug-ins: modules from outside the package, imported for the classes they register."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lipsync.errors import ConfigError

VARIABLE = "LIPSYNC_PLUGINS"
NAME_IT = f"load its module with --plugin (lipsync), plugins= (train.py, data_prep) or {VARIABLE}"
"""Remedy for an unknown network or feature, for error messages."""
_imported: list[str] = []


def import_plugins(modules: str | Iterable[str] | None, option: str = "--plugin") -> None:
    """Import the given modules, and those in the environment variable ``LIPSYNC_PLUGINS``.

    Importing a module registers its networks and features by name. Only the user can name modules:
    a checkpoint never decides what is imported.

    Args:
        modules: dotted names, as a list or separated by commas; the working directory is searched
            after ``sys.path``.
        option: option that names them, for error messages.

    Raises:
        ConfigError: a module cannot be imported.
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    given = modules.split(",") if isinstance(modules, str) else modules or ()
    sources = [(option, name) for name in given]
    sources += [(VARIABLE, name) for name in os.environ.get(VARIABLE, "").split(",")]
    for where, name in ((where, str(name).strip()) for where, name in sources):
        if not name:
            continue
        try:
            importlib.import_module(name)
        except Exception as error:  # a plug-in's code may raise anything
            raise ConfigError(f"{where} {name}: {import_problem(error)}") from error
        if name not in _imported:
            _imported.append(name)


def imported_plugins() -> list[str]:
    """Plug-ins imported so far, which a run's other processes must import too."""
    return _imported


def import_problem(error: BaseException) -> str:
    """One line on why a module could not be imported, and what to do."""
    while error.__cause__ is not None:
        error = error.__cause__
    problem = " ".join(f"{type(error).__name__}: {error}".split())
    frame = (traceback.extract_tb(error.__traceback__) or [None])[-1]
    if frame is not None and "importlib" not in frame.filename:
        return f"cannot be imported ({problem}; {frame.filename}, line {frame.lineno})"
    if isinstance(error, ModuleNotFoundError):
        return f"cannot be imported ({problem}); add its folder to PYTHONPATH"
    return f"cannot be imported ({problem})"


def register(kinds: dict[str, Any], name: str, kind: type) -> None:
    """Register a class under a name.

    Raises:
        ConfigError: a class defined elsewhere has this name, and its checkpoints would be loaded as
            this class.
    """
    other = kinds.setdefault(name, kind)
    if (other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__):
        place = f"{kind.__module__}.{kind.__qualname__}"
        raise ConfigError(f"{place}: {other.__module__} already has a {name}; choose another name")
    kinds[name] = kind
