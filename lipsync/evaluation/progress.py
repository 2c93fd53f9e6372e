"""Progress through a list, reported to a callback."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Called with an item's name, items done and items in total; at the end with an empty name."""


def with_progress(
    items: Collection[T], progress: Progress | None, name: Callable[[T], str]
) -> Iterator[T]:
    """The items; reports each before it is processed, and the end."""
    progress = progress or (lambda *_: None)
    for done, item in enumerate(items):
        progress(name(item), done, len(items))
        yield item
    progress("", len(items), len(items))
