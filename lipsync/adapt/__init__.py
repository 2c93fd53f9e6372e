"""Adaptation: fine-tunes a generator on minutes of one person's footage.

The public names are imported lazily, so that ``--help`` stays fast.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "AdaptationResult": "person",
    "People": "people",
    "adapt": "person",
    "adapt_people": "people",
    "adapted_generator": "cached",
    "is_people": "people",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
