"""What a reader finds, and what several of them need to read."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

YOUTUBE = r"[\w-]{11}"
"""An id of a video, as a regular expression."""


@dataclass(frozen=True)
class Found:
    """A clip of a corpus.

    Attributes:
        file: path below the corpus's folder.
        key: speaker, then video if the corpus tells it, then clip.
        span: seconds of the file in which it lies; None for all of it.
        about: what the corpus says of it: ``text``, what is said; ``words``, each with the seconds
            from the clip's begin at which it starts and ends; ``language``; or anything else, as
            JSON.
    """

    file: PurePath
    key: tuple[str, ...]
    span: tuple[float, float] | None = None
    about: dict[str, Any] = field(default_factory=dict)


def seconds(text: str) -> float:
    """``95``, ``01:35`` or ``0:01:35.5`` in seconds.

    Raises:
        ValueError: it is no time.
    """
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", text):
        raise ValueError(f"{text!r} is no time")
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return total


def lines(path: Path) -> list[str]:
    """Of a text file, without those that are empty; none if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]
