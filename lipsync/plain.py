"""Results as plain values, for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Any


class Plain:
    """A dataclass that can be given as plain values."""

    def as_dict(self) -> dict[str, Any]:
        """Its fields as plain values, for JSON; see :func:`plain`."""
        return _fields(self)


def plain(value: Any) -> Any:
    """Dataclasses and mappings as dicts, tuples as lists, paths and fractions as text.

    Numbers that are not finite, of which JSON has none, are None.
    """
    if isinstance(value, Plain):
        return value.as_dict()
    if is_dataclass(value):
        return _fields(value)
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, Path | Fraction):
        return str(value)
    return None if isinstance(value, float) and not isfinite(value) else value


def _fields(value: Any) -> dict[str, Any]:
    return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
