"""The clip that readers yield, and functions that they share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

YOUTUBE = r"[\w-]{11}"
"""Regular expression of a YouTube video id."""


@dataclass(frozen=True)
class CorpusClip:
    """A clip of a corpus.

    Attributes:
        file: path relative to the corpus's folder.
        key: speaker, video (if known) and clip.
        span: start and end within the file in seconds; None for the whole file.
        about: metadata from the corpus, as JSON: ``text``, the transcript; ``words``, each as word,
            start and end in seconds from the clip's start; ``language``; or anything else.
    """

    file: PurePath
    key: tuple[str, ...]
    span: tuple[float, float] | None = None
    about: dict[str, Any] = field(default_factory=dict)


def seconds(text: str) -> float:
    """Parse a time such as ``95``, ``01:35`` or ``0:01:35.5`` into seconds.

    Raises:
        ValueError: not a time.
    """
    if not re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", text):
        raise ValueError(f"{text!r} is not a time")
    total = 0.0
    for part in text.split(":"):
        total = 60 * total + float(part)
    return total


def lines(path: Path) -> list[str]:
    """Non-empty lines of a text file, stripped; none if it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return []
    return [line.strip() for line in text.splitlines() if line.strip()]
