"""Errors as sentences for the page: the problem and the remedy, without paths of the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from lipsync.errors import LipsyncError

_PATH = re.compile(r"(?<![\w/.])/(?:[^\s/:;,'\"()]+/)+([^\s/:;,'\"()]*)")


class Refusal(Exception):
    """A refused request: the HTTP status, and a sentence for the page."""

    def __init__(self, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.sentence, self.status = sentence, status


def sentence(error: LipsyncError, names: Mapping[Path, str] | None = None) -> str:
    """An error of the package for the page.

    Args:
        error: the error.
        names: names of files on the page, e.g. ``{path: "The sound"}``.
    """
    subject, problem = getattr(error, "subject", ""), getattr(error, "problem", "")
    if not problem:
        return as_sentence(str(error))
    called = next((name for path, name in (names or {}).items() if str(path) == subject), "")
    remedy = getattr(error, "remedy", "")
    text = f"{called}: {problem}" if called else problem
    return as_sentence(text + (f"; {remedy}" if remedy else ""))


def as_sentence(text: str) -> str:
    """One line with a capital letter and a full stop; paths are reduced to file names."""
    text = " ".join(_PATH.sub(r"\1", text).split())
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."
