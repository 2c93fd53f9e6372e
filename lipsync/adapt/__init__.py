"""One person: a generator trained on, on minutes of a face.

What it offers is imported when it is asked for, so that the commands' help stays quick.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Adapted": "person",
    "People": "people",
    "adapt": "person",
    "adapt_people": "people",
    "adapted_to": "kept",
    "is_people": "people",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
