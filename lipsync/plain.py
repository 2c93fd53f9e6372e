"""Conversion of results to plain values, for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction
from math import isfinite
from pathlib import Path
from typing import Any


class Plain:
    """A dataclass that can be converted to plain values."""

    def as_dict(self) -> dict[str, Any]:
        """Fields as plain values, for JSON; see :func:`plain`."""
        return _fields(self)


def plain(value: Any) -> Any:
    """Convert dataclasses and mappings to dicts, tuples to lists, paths and fractions to strings.

    Non-finite numbers, which JSON does not have, become None.
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
