"""Modules from outside the package, imported for the parts that they define."""

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
"""What to do about a network or feature whose name is not known."""
_imported: list[str] = []


def import_plugins(modules: str | Iterable[str] | None, option: str = "--plugin") -> None:
    """Import the modules that are named, and those in the environment's ``LIPSYNC_PLUGINS``.

    A network or feature is known by its name once its module is imported. Only the user names
    modules: nothing in a checkpoint decides what is imported.

    Args:
        modules: dotted names, as a list or with commas between; the working directory is searched
            after ``sys.path``.
        option: where they were given, for errors.

    Raises:
        ConfigError: one cannot be imported.
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)
    given = modules.split(",") if isinstance(modules, str) else modules or ()
    named = [(option, name) for name in given]
    named += [(VARIABLE, name) for name in os.environ.get(VARIABLE, "").split(",")]
    for where, name in ((where, str(name).strip()) for where, name in named):
        if not name:
            continue
        try:
            importlib.import_module(name)
        except Exception as error:  # a plug-in's code may raise anything
            raise ConfigError(f"{where} {name}: {not_imported(error)}") from error
        if name not in _imported:
            _imported.append(name)


def imported() -> list[str]:
    """The modules that were named so far, which other processes of a run have to import, too."""
    return _imported


def not_imported(error: BaseException) -> str:
    """Why a module could not be imported, and what to do, on one line."""
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
    """Let a class be known by a name, which no class defined elsewhere may have.

    Raises:
        ConfigError: another one has it, so that checkpoints of that one would become this.
    """
    other = kinds.setdefault(name, kind)
    if (other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__):
        place = f"{kind.__module__}.{kind.__qualname__}"
        raise ConfigError(f"{place}: {other.__module__} already has a {name}; choose another name")
    kinds[name] = kind
