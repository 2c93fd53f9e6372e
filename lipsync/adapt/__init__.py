"""One person: a generator trained on, on minutes of a face.

What it offers is imported when it is asked for, so that the commands' help stays quick.
"""

from importlib import import_module
from typing import Any

__all__ = ["Adapted", "adapt"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.person"), name)
