"""Progress through a list, told to a callback."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

T = TypeVar("T")
Progress = Callable[[str, int, int], None]
"""Called with the name of an item, items done and items in all; at the end without a name."""


def reported(
    items: Collection[T], progress: Progress | None, name: Callable[[T], str]
) -> Iterator[T]:
    """The items, each reported before it is worked on, and their end."""
    progress = progress or (lambda *_: None)
    for done, item in enumerate(items):
        progress(name(item), done, len(items))
        yield item
    progress("", len(items), len(items))
